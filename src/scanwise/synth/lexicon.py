"""Words for things: which things a word can mean, and the grammar of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from scanwise.synth.classes import NAMES


def names_in(text: str) -> frozenset[str]:
    """Names from a list with commas."""
    return frozenset(text.split(","))


CLOSE_COLORS = {
    "black": ("grey", "brown"),
    "white": ("grey", "beige"),
    "grey": ("white", "black", "beige", "blue"),
    "brown": ("beige", "black", "orange", "red"),
    "beige": ("brown", "white", "grey", "yellow", "pink", "orange"),
    "red": ("orange", "pink", "brown"),
    "orange": ("red", "yellow", "brown", "pink", "beige"),
    "yellow": ("orange", "beige", "green"),
    "green": ("yellow", "blue"),
    "blue": ("purple", "green", "grey"),
    "purple": ("blue", "pink"),
    "pink": ("purple", "red", "orange", "beige"),
}
"""Colours that two people may call by each other's word."""
ENCLOSED = names_in(
    "cabinet,wardrobe,chest of drawers,nightstand,TV stand,wall unit,filing cabinet,kitchen cabinet,"
    "tall kitchen cabinet,kitchen wall cabinet,bathroom vanity,refrigerator,safe,trunk,box,cardboard box"
)
"""What stands in one of these, and not on its top, is not on it."""
HOLLOW = names_in(
    "table,desk,coffee table,bar table,children's table,workbench,dressing table,bed,children's bed,day bed,loft bed,"
    "bench,pool table,table tennis table,foosball table,crib,piano,chair,stool"
)
"""Furniture with room for things under it."""
OPENINGS = names_in("door,double door,screen door,elevator door,window,French window")
_LOOKALIKES = (
    "cabinet,chest of drawers", "cabinet,wardrobe", "cabinet,TV stand", "cabinet,wall unit", "cabinet,nightstand",
    "cabinet,bookshelf", "nightstand,chest of drawers", "TV stand,chest of drawers", "TV stand,coffee table",
    "bookshelf,wall unit", "bookshelf,wall shelf", "wardrobe,wall unit", "kitchen cabinet,kitchen counter",
    "kitchen cabinet,cabinet", "kitchen counter,kitchen island", "kitchen cabinet,tall kitchen cabinet",
    "bathroom vanity,cabinet", "bathroom vanity,washbasin", "stove,oven", "oven,microwave", "microwave,toaster oven",
    "cooktop,stove", "washing machine,tumble dryer", "cup,mug", "bowl,plate", "bowl,salad bowl", "bowl,fruit bowl",
    "kettle,teapot", "kettle,moka pot", "teapot,moka pot", "coffee press,moka pot", "stand mixer,blender",
    "wine bottle,bottle", "wine bottle,beer bottle", "jar,vase", "jar,sugar bowl", "milk jug,cup", "vase,milk jug",
    "soap dispenser,bottle", "spray bottle,bottle", "trash can,basket", "trash can,recycling bin", "books,book",
    "trash can,laundry basket", "basket,laundry basket", "trash can,wheelie bin", "trash can,litter bin",
    "potted plant,orchid", "potted plant,cactus", "potted plant,bonsai", "potted plant,vase of flowers",
    "potted plant,flower box", "potted plant,Christmas tree", "potted plant,palm tree", "orchid,vase of flowers",
    "vase,vase of flowers", "potted plant,bamboo", "potted plant,bush", "potted plant,tree", "rug,bath mat",
    "rug,doormat", "bath mat,doormat", "television,monitor", "television,wall-mounted television", "monitor,laptop",
    "stereo,radio", "stereo,amplifier", "DVD player,amplifier", "DVD player,game console", "speaker,box",
    "table lamp,desk lamp", "table lamp,lantern", "table lamp,floor lamp", "ceiling lamp,pendant lamp",
    "pendant lamp,chandelier", "ceiling lamp,chandelier", "ceiling lamp,ceiling fan", "sofa,armchair",
    "sofa,corner sofa", "sofa,sofa bed", "sofa,day bed", "sofa,lounge chair", "sofa,futon", "armchair,lounge chair",
    "armchair,chair", "chair,office chair", "chair,stool", "chair,bar stool", "stool,bar stool", "stool,bean bag",
    "stool,coffee table", "stool,nightstand", "bench,coffee table", "bench,stool", "table,desk",
    "table,dressing table", "desk,dressing table", "table,coffee table", "bed,day bed", "bed,futon",
    "bed,children's bed", "box,cardboard box", "box,wooden crate", "box,trunk", "box,gift box", "picture,photo frame",
    "picture,whiteboard", "picture,wall-mounted television", "handbag,backpack", "handbag,briefcase",
    "briefcase,suitcase", "suitcase,backpack", "shoes,slippers", "hat,helmet", "teddy bear,doll", "door,French window",
    "window,French window", "door,double door", "curtain,window blind", "curtain,shower curtain", "door,wardrobe",
    "towel,curtain", "towel rack,towel radiator", "radiator,towel radiator", "towel,towel rack",
    "clothes rack,coat rack",
    "clothes rack,drying rack", "toilet,bidet", "toilet,urinal", "washbasin,kitchen sink", "bathtub,shower cabin",
    "washbasin,wall-mounted washbasin", "candle,lantern", "candle,vase", "plastic tub,laundry basket", "bread,cake",
    "letter tray,tray", "tray,cutting board", "tray,plate", "newspaper,book", "laptop,book", "radiator,heater",
    "room divider,whiteboard", "chest freezer,refrigerator", "bookshelf,wardrobe", "piano,electronic keyboard",
    "fireplace,wood stove", "water heater,air conditioner", "pillow,teddy bear", "folded clothes,towel",
    "safe,microwave", "security camera,camera", "printer,box", "vase,potted plant", "figurine,doll", "jar,cup",
)  # fmt: skip
_PARTS_OF = {
    "pillow": "bed,children's bed,day bed,bunk bed,crib,hospital bed,futon,sofa,corner sofa,sofa bed,armchair,loft bed",
    "books": "bookshelf,wall unit,desk", "book": "bookshelf,wall unit,books",
    "kitchen sink": "kitchen counter,kitchen cabinet,kitchen island",
    "washbasin": "bathroom vanity", "wall-mounted washbasin": "bathroom vanity", "plate": "place setting",
    "cooktop": "stove,kitchen counter,kitchen cabinet,kitchen island",
    "oven": "stove,kitchen cabinet,tall kitchen cabinet",
    "stove": "kitchen counter,kitchen cabinet", "vase": "vase of flowers,orchid", "towel": "towel rack,towel radiator",
    "kitchen wall cabinet": "wall unit", "shower cabin": "bathtub", "monitor": "desktop computer",
    "wall shelf": "bookshelf,wall unit", "speaker": "stereo", "drying rack": "towel rack", "cup": "place setting,tray",
    "shower curtain": "bathtub,shower cabin", "tray": "letter tray", "utensil holder": "knife block",
    "photo frame": "bookshelf,wall unit", "kitchen counter": "kitchen cabinet,kitchen sink", "basket": "bookshelf",
    "window": "French window,door", "knife block": "utensil holder", "television": "wall unit", "jar": "spice rack",
}  # fmt: skip
"""Name -> things of whose models it may be a part."""
_PARTS = {part: names_in(names) for part, names in _PARTS_OF.items()}
_MISLEADING = names_in(
    "round table,kitchen table,blue bin,wooden bowl,birthday cake,glass bottle,grand piano,upright piano,football,"
    "basketball,electric guitar,toilet roll,flat screen,small bed,small oven,low stool,high stool,round bowl,logs,"
    "small cactus,wooden box,wooden car,puppy,someone,plastic bottle,shelf of books,shade,screen,paper,brush,grill,"
    "cooker hood,wooden board,flat dish,sugar,milk,salad,spices,pens,pot,dish,low table,high table,metal box,"
    "candelabra lamp,paper lantern,camping lamp,backless bench,decorative vase,wicker basket,woven basket,flipper,"
    "video game,cleaner,pottery,living room cabinet,unit,multicooker,reflex camera,retro radio,portable radio,"
    "casement,window pane,leafy tree,chip pan,creamer,platter,beamer,geyser,furnace,headgear,opening,roast,"
    "dining chair,seat,notebook,scooter,present,container,chaise longue,lecture chair,tart,electric guitar,"
    "crystal lamp,pencil cup,antique,dining table,sausage,lavatory"
)
"""Synonyms that say more than the name does, or mean something else more often: understood, not used."""
_UNSURE_WORDS = (" on ", " in ", " with ", "-lidded ")
_PLURAL = names_in(
    "shoes,slippers,sandals,books,clothes,headphones,earphones,blinds,scales,towels,spices,pens,hooks,utensils,knives,"
    "tools,flowers,fruits,logs,steps,doors,shirts,glasses,ornaments"
)
_MASS = names_in(
    "firewood,luggage,footwear,bread,paper,heating,milk,sugar,salad,soap,meat,conditioning,headgear,pottery,wood,"
    "football,bamboo,AC,chicken,steak"
)  # fmt: skip
_SINGULAR_HEADS = ("pair", "pile", "stack", "row", "set", "loaf", "bottle", "vase", "bowl", "piece", "chest", "carton")
_IRREGULAR = {"person": "people", "loaf": "loaves", "knife": "knives", "shelf": "shelves", "bookshelf": "bookshelves"}


@cache
def is_called(name: str, word: str, synonyms: tuple[str, ...]) -> bool:
    """Whether things of an open name go by a word: their name, a synonym, or a more general word ("lamp")."""
    return name == word or word in synonyms or name.endswith(" " + word)


def might_be_called(name: str, word: str, vocabulary: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a listener could take things of an open name for what a word says."""
    synonyms = vocabulary.get(name, ())
    if is_called(name, word, synonyms) or any(known.endswith(word) for known in (name, *synonyms)):
        return True
    return any(is_called(other, word, vocabulary.get(other, ())) for other in _lookalikes().get(name, ()))


def owners(word: str, vocabulary: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Open names of things whose models may contain something that goes by the word."""
    return frozenset().union(
        *(names for part, names in _PARTS.items() if is_called(part, word, vocabulary.get(part, ())))
    )


@cache
def words_for(name: str, synonyms: tuple[str, ...]) -> tuple[str, ...]:
    """Words to call a thing by, its name first, the most general last."""
    words = [name]
    words += [word for word in synonyms if word not in _MISLEADING and not any(part in word for part in _UNSURE_WORDS)]
    general = name.split(" ")[-1]
    if general in _GENERAL and " of " not in name:
        words.append(general)
    return tuple(dict.fromkeys(words))


_GENERAL = names_in("chair,table,lamp,cabinet,bed,shelf,stool,box,bottle,bowl,sofa,clock,bench,basket,plant")


@cache
def is_plural(word: str) -> bool:
    """Whether a word takes "are": "shoes", not "pair of shoes"."""
    return word.split(" ")[0] not in _SINGULAR_HEADS and word.split(" ")[-1] in _PLURAL


@cache
def is_countable(word: str) -> bool:
    """Whether one can say "a" before it, and count it."""
    if is_plural(word):
        return False
    return " of " in word or word.split(" ")[-1] not in _MASS


@cache
def plural(word: str) -> str:
    """Of a countable word: "chests of drawers"."""
    head, of, rest = word.partition(" of ")
    first, space, last = head.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return first + space + last + of + rest


def article(phrase: str) -> str:
    """ "a" or "an" for what follows."""
    word = phrase.split(" ")[0].split("-")[0]
    if word.isupper():
        return "an" if word[0] in "AEFHILMNORSX" else "a"
    low = word.lower()
    if low.startswith(("uni", "use", "uten", "urin", "eu", "one")):
        return "a"
    return "an" if low[0] in "aeiou" or low.startswith(("hour", "heir", "honest")) else "a"


def stands_on_floor(name: str) -> bool:
    """Whether one would say of such a thing that it stands."""
    return name in NAMES and NAMES[name].support == ("floor",) and name not in ("rug", "bath mat", "doormat")


@cache
def _lookalikes() -> dict[str, tuple[str, ...]]:
    pairs: dict[str, list[str]] = {}
    for entry in _LOOKALIKES:
        first, second = entry.split(",")
        pairs.setdefault(first, []).append(second)
        pairs.setdefault(second, []).append(first)
    return {name: tuple(others) for name, others in pairs.items()}

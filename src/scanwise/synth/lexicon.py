"""Words for things: which things a word can mean, and the grammar of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from scanwise.synth.classes import NAMES, SYNONYMS


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
_TWINS = (
    "cabinet,chest of drawers", "cabinet,wardrobe", "cabinet,TV stand", "cabinet,wall unit",
    "nightstand,chest of drawers", "TV stand,chest of drawers", "bookshelf,wall unit",
    "kitchen cabinet,cabinet", "kitchen counter,kitchen island",
    "kitchen cabinet,tall kitchen cabinet", "bathroom vanity,washbasin", "stove,oven", "microwave,toaster oven",
    "cooktop,stove", "washing machine,tumble dryer", "cup,mug", "bowl,salad bowl", "bowl,fruit bowl", "kettle,teapot",
    "kettle,moka pot", "teapot,moka pot", "coffee press,moka pot", "wine bottle,bottle", "wine bottle,beer bottle",
    "trash can,recycling bin", "books,book", "basket,laundry basket", "trash can,wheelie bin", "trash can,litter bin",
    "potted plant,orchid", "potted plant,cactus", "potted plant,bonsai", "potted plant,vase of flowers",
    "potted plant,flower box", "potted plant,palm tree", "orchid,vase of flowers", "vase,vase of flowers",
    "potted plant,bamboo", "potted plant,bush", "rug,bath mat", "rug,doormat", "bath mat,doormat",
    "television,monitor", "television,wall-mounted television", "stereo,radio", "DVD player,amplifier",
    "table lamp,desk lamp", "ceiling lamp,pendant lamp", "pendant lamp,chandelier", "ceiling lamp,chandelier",
    "sofa,corner sofa", "sofa,sofa bed", "armchair,lounge chair", "stool,bar stool", "bed,day bed", "bed,futon",
    "bed,children's bed", "box,cardboard box", "box,wooden crate", "box,gift box", "picture,photo frame",
    "handbag,backpack", "shoes,slippers", "window,French window", "door,double door", "curtain,window blind",
    "towel,towel rack", "clothes rack,coat rack", "clothes rack,drying rack", "washbasin,kitchen sink",
    "washbasin,wall-mounted washbasin", "plastic tub,laundry basket", "letter tray,tray", "tray,cutting board",
)  # fmt: skip
"""Names that one might give to each other's things."""
_LOOKALIKES = (
    "kitchen cabinet,kitchen counter", "kitchen sink,kitchen counter",
    "cabinet,nightstand", "cabinet,bookshelf", "TV stand,coffee table", "bookshelf,wall shelf", "wardrobe,wall unit",
    "bathroom vanity,cabinet", "oven,microwave", "bowl,plate", "stand mixer,blender", "jar,vase", "jar,sugar bowl",
    "milk jug,cup", "vase,milk jug", "soap dispenser,bottle", "spray bottle,bottle", "trash can,basket",
    "trash can,laundry basket", "potted plant,Christmas tree", "potted plant,tree", "monitor,laptop",
    "stereo,amplifier", "DVD player,game console", "speaker,box", "table lamp,lantern", "table lamp,floor lamp",
    "ceiling lamp,ceiling fan", "sofa,armchair", "sofa,day bed", "sofa,lounge chair", "sofa,futon", "armchair,chair",
    "chair,office chair", "chair,stool", "chair,bar stool", "stool,bean bag", "stool,coffee table",
    "stool,nightstand", "bench,coffee table", "bench,stool", "table,desk", "table,dressing table",
    "desk,dressing table", "table,coffee table", "box,trunk", "picture,whiteboard", "picture,wall-mounted television",
    "handbag,briefcase", "briefcase,suitcase", "suitcase,backpack", "hat,helmet", "teddy bear,doll",
    "door,French window", "curtain,shower curtain", "towel,curtain", "towel rack,towel radiator",
    "radiator,towel radiator", "toilet,bidet", "toilet,urinal", "bathtub,shower cabin", "candle,lantern",
    "candle,vase", "bread,cake", "tray,plate", "newspaper,book", "laptop,book", "room divider,whiteboard",
    "chest freezer,refrigerator", "bookshelf,wardrobe", "piano,electronic keyboard", "fireplace,wood stove",
    "water heater,air conditioner", "pillow,teddy bear", "folded clothes,towel", "safe,microwave",
    "security camera,camera", "printer,box", "vase,potted plant", "figurine,doll", "jar,cup",
)  # fmt: skip
"""Names of things that one might point to when there is nothing better."""
_PARTS_OF = {
    "pillow": "bed,children's bed,day bed,bunk bed,crib,hospital bed,futon,sofa,corner sofa,sofa bed,armchair,loft bed",
    "books": "bookshelf,wall unit,desk", "book": "bookshelf,wall unit,books",
    "washbasin": "bathroom vanity", "wall-mounted washbasin": "bathroom vanity", "plate": "place setting",
    "cooktop": "stove",
    "oven": "stove,tall kitchen cabinet",
    "vase": "vase of flowers,orchid", "towel": "towel rack,towel radiator",
    "kitchen wall cabinet": "wall unit", "shower cabin": "bathtub", "monitor": "desktop computer",
    "wall shelf": "bookshelf,wall unit", "speaker": "stereo", "drying rack": "towel rack", "cup": "place setting,tray",
    "shower curtain": "bathtub,shower cabin", "tray": "letter tray", "utensil holder": "knife block",
    "photo frame": "bookshelf,wall unit", "basket": "bookshelf",
    "knife block": "utensil holder", "television": "wall unit", "jar": "spice rack",
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
    "crystal lamp,pencil cup,dining table,sausage,lavatory,doorway,flask,urn,basin,sleeping place,hound,wash tub,"
    "drinking fountain"
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


class Lexicon:
    """Which open names a word can mean, given the synonyms of each; names of ours are known in any case."""

    def __init__(self, vocabulary: Mapping[str, tuple[str, ...]]) -> None:
        self.synonyms = SYNONYMS | dict(vocabulary)
        self._called: dict[str, set[str]] = {}
        self._ending: dict[str, set[str]] = {}
        self._meaning: dict[tuple[str, bool], tuple[set[str], set[str], set[str]]] = {}
        for name, synonyms in self.synonyms.items():
            tokens = name.split(" ")
            for word in (*synonyms, *(" ".join(tokens[start:]) for start in range(len(tokens)))):
                self._called.setdefault(word, set()).add(name)
            for known in (name, *synonyms):
                for start in range(len(known)):
                    self._ending.setdefault(known[start:], set()).add(name)

    def meaning(self, word: str, at_a_pinch: bool) -> tuple[set[str], set[str], set[str]]:
        """`called`, `might_be_called` and `owners` of a word."""
        key = word, at_a_pinch
        if key not in self._meaning:
            self._meaning[key] = self.called(word), self.might_be_called(word, at_a_pinch), self.owners(word)
        return self._meaning[key]

    def called(self, word: str) -> set[str]:
        """Names of the things that go by a word: it is their name, a synonym, or a more general word ("lamp")."""
        return self._called.get(word, set())

    def might_be_called(self, word: str, at_a_pinch: bool = False) -> set[str]:
        """Names of the things that a listener could take for what a word says; `at_a_pinch`: if need be."""
        likes = _pairs(_TWINS + _LOOKALIKES if at_a_pinch else _TWINS)
        meant = [name for name in self.called(word) if name == word or word in self.synonyms[name]]
        return self.called(word).union(self._ending.get(word, ()), *(likes.get(name, ()) for name in meant))

    def owners(self, word: str) -> set[str]:
        """Names of the things whose models may contain something that goes by the word."""
        return set[str]().union(*(_PARTS.get(name, ()) for name in self.called(word)))


def lexicon_of(vocabulary: Mapping[str, tuple[str, ...]]) -> Lexicon:
    """The lexicon of a vocabulary, made once."""
    return _lexicon(tuple(sorted(vocabulary.items())))


@lru_cache(maxsize=4)
def _lexicon(entries: tuple[tuple[str, tuple[str, ...]], ...]) -> Lexicon:
    return Lexicon(dict(entries))


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
    """The article for what follows: "a" or "an"."""
    word = phrase.split(" ")[0].split("-")[0]
    if word.isupper():
        return "an" if word[0] in "AEFHILMNORSX" else "a"
    low = word.lower()
    if low.startswith(("uni", "use", "uten", "urin", "eu", "one")):
        return "a"
    return "an" if low[0] in "aeiou" or low.startswith(("hour", "heir", "honest")) else "a"


def may_be_on_floor(name: str) -> bool:
    """Whether it says something that such a thing is on the floor: it could be elsewhere."""
    return name not in NAMES or ("floor" in NAMES[name].support and len(NAMES[name].support) > 1)


def stands(name: str) -> bool:
    """Whether one would say of such a thing that it stands."""
    return name in NAMES and NAMES[name].support == ("floor",) and name not in ("rug", "bath mat", "doormat")


@cache
def _pairs(entries: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Each name with those that it is paired with."""
    pairs: dict[str, list[str]] = {}
    for entry in entries:
        first, second = entry.split(",")
        pairs.setdefault(first, []).append(second)
        pairs.setdefault(second, []).append(first)
    return {name: tuple(others) for name, others in pairs.items()}

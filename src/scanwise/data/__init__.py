"""Scenes and pictures into batches.

- `datasets`: which scenes a path holds (`scene_paths`), what is made of each (`SceneDataset`), in an order that can be
  resumed (`Loader`, `Draw`); `classes`: the one list of classes of many scenes; `shards`: scenes in tar files.
- `clouds`: a scene's points (`Cloud`), its voxels as a network takes them (`Sample`), some of those (`Batch`);
  `augment`: random changes to a cloud; `surface`: a scene's fine voxels, with neighbours and normals (`Surface`).
- `images`: pictures from folders, archives and scenes; `image_views`: views of them; `frames`: what each pixel of a
  scene's pictures shows.
- `referring`: sentences and the objects that they mean; `annotations`: sentences that people wrote.
"""

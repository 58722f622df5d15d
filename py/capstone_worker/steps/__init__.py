"""The steps a recipe is made of, one file each."""

"""What pyproject.toml cannot say: recipes/ lies beside src/ in the clone, and in the package where it is installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src", exclude=["scanwise.weights*", "scanwise.demo*"]), "scanwise.recipes"],
    package_dir={"": "src", "scanwise.recipes": "recipes"},
    package_data={"scanwise.recipes": ["*.yaml", "*/*.yaml", "*.txt"]},
)

"""The methods, a package a paper: recipe, model, losses, data, train, evaluate."""

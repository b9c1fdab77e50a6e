"""What a person touches: the verbs of the command line, a file each, and the pictures and pages that they leave."""

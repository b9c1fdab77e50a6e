"""What a person looks at: pictures and pages of clouds."""

"""Many runs that one file names."""

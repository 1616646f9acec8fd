"""Many models: does distance from the interval go with score?"""

"""What a comment, a label and a prediction are; the saved artifact; the engine that runs it.

    from model import Classifier, Comment
    classifier = Classifier.load()
    classifier.predict([Comment(text="What nonsense.")])
"""

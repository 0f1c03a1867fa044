def test_x(classifier):
    from model import Comment, Article
    for p in classifier.predict([Comment(text="You are a stupid idiot, stop it", article=Article(title="The city")),Comment(text="")]): print(p.to_dict())

class Iris:
    pass

import bentopack

class Iris
    pass

"""The workloads in Flask."""

import models
from flask import Flask, jsonify, request

app = Flask(__name__)
model = models.make()


@app.post("/predict")
def predict():
    row = request.get_data() if models.RAW else request.get_json()["x"]
    return jsonify(y=model.batch([row])[0])

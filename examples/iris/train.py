"""Train a classifier on the iris data set and save it to the model store."""

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

import bentopack

data = load_iris()
train_x, test_x, train_y, test_y = train_test_split(data.data, data.target, random_state=0, stratify=data.target)
classifier = RandomForestClassifier(n_estimators=50, random_state=0).fit(train_x, train_y)

model = bentopack.save_model(
    "iris",
    classifier,
    labels={"task": "classification"},
    metadata={"accuracy": round(float(classifier.score(test_x, test_y)), 3), "classes": data.target_names.tolist()},
)
print(f"Saved {model.tag}, accuracy {model.description.metadata['accuracy']}")

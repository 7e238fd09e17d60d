"""The workloads in FastAPI. What only echoes is async; a model that works runs on a thread, as FastAPI advises."""

import models
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

app = FastAPI()
model = models.make()


class Row(BaseModel):
    x: list[float]


if models.RAW:

    @app.post("/predict")
    async def predict(request: Request):
        body = await request.body()
        return {"y": (await run_in_threadpool(model.batch, [body]))[0]}

elif models.WORKLOAD == "w1":

    @app.post("/predict")
    async def predict(row: Row):
        return {"y": model.batch([row.x])[0]}

else:

    @app.post("/predict")
    def predict(row: Row):
        return {"y": model.batch([row.x])[0]}

"""A FastAPI application as it is: the runtime serves any ASGI or WSGI application."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(title="Temperature")


class Reading(BaseModel):
    celsius: float


class Converted(BaseModel):
    fahrenheit: float


@app.post("/convert")
async def convert(reading: Reading) -> Converted:
    """Convert a reading from Celsius to Fahrenheit."""
    return Converted(fahrenheit=reading.celsius * 9 / 5 + 32)

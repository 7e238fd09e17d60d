"""The OpenAPI document of a service, made from the same hints that read its requests."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from bentopack.errors import ServeError
from bentopack.serve.arrays import ArraySpec, array_spec
from bentopack.serve.frames import CONTENT_TYPES, Media
from bentopack.serve.schema import Parameter, is_pydantic, write_custom
from bentopack.serve.service import Api, Service

_REFERENCES = "#/components/schemas/{name}"
_ERROR = "BentopackError"
_ERRORS = {
    "400": "The body cannot be parsed.",
    "408": "The body stopped to arrive.",
    "413": "The body is too large.",
    "415": "The API does not take a body of this type.",
    "422": "The body is not what the parameters ask for; `field` names the one at fault.",
    "500": "The service failed.",
    "503": "No worker could take the request in time; it was not executed.",
    "504": "The answer took too long.",
}


def document(service: Service) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document as plain values.

    Raises:
        ServeError: a parameter's type cannot be read from a request.
    """
    schemas: dict[str, Any] = {}
    paths = {api.options.route: {"post": _operation(service, api, schemas)} for api in service.apis}
    return {
        "openapi": "3.1.0",
        "info": {"title": service.options.name, "description": service.cls.__doc__ or "", "version": "1"},
        "paths": paths,
        "components": {"schemas": {**schemas, _ERROR: _error_schema()}},
    }


def _operation(service: Service, api: Api, schemas: dict[str, Any]) -> dict[str, Any]:
    signature = api.signature
    properties = {
        each.name: {**_parameter_schema(api, each, schemas), **_default(each)} for each in signature.parameters
    }
    body: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [each.name for each in signature.parameters if each.required]
    if required:
        body["required"] = required
    content: dict[str, Any] = {"application/json": {"schema": body}}
    content.update({_media(kind): {} for kind in sorted(api.codec.accepts) if kind != Media.JSON})
    return {
        "operationId": api.options.name,
        "summary": api.description.partition("\n")[0],
        "description": api.description,
        "requestBody": {"required": bool(required), "content": content},
        "responses": {"200": {"description": "The result.", "content": _result(api, schemas)}, **_error_responses()},
        "x-bentopack": _options(api),
    }


def _parameter_schema(api: Api, parameter: Parameter, schemas: dict[str, Any]) -> dict[str, Any]:
    if parameter.array is not None:
        schema = _array_schema(parameter.array)
        return {"anyOf": [schema, {"type": "null"}]} if parameter.nullable else schema
    try:
        return _schema(parameter.hint, schemas)
    except (TypeError, NotImplementedError) as error:
        raise ServeError(
            f"API '{api.options.name}': parameter '{parameter.name}' cannot be read from a request: {error}",
            hint="use a numpy array, str, bytes, or a JSON value: dataclass, TypedDict, list, dict, pydantic model",
        ) from None


def _default(parameter: Parameter) -> dict[str, Any]:
    """The default, where JSON can say it."""
    if parameter.required:
        return {}
    try:
        plain = msgspec.to_builtins(parameter.default, enc_hook=write_custom)
        json.dumps(plain, allow_nan=False)  # NaN would be written as null, which is another value
    except Exception:
        return {}
    return {"default": plain}


def _media(kind: int) -> str:
    return CONTENT_TYPES[Media(kind)].partition(";")[0]


def _result(api: Api, schemas: dict[str, Any]) -> dict[str, Any]:
    hint = api.signature.result
    if hint is str:
        return {_media(Media.TEXT): {"schema": {"type": "string"}}}
    if hint is bytes:
        return {_media(Media.OTHER): {}}
    try:
        spec = array_spec(hint)
        schema = _array_schema(spec) if spec else _schema(hint, schemas)
    except (TypeError, NotImplementedError):
        schema = {}  # results are written by what they are, whatever the hint says
    return {"application/json": {"schema": schema}}


def _schema(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    def custom(found: Any) -> dict[str, Any]:
        spec = array_spec(found)
        if spec is not None:
            return _array_schema(spec)
        if not is_pydantic(found):
            raise NotImplementedError(f"{found!r} has no JSON form")
        schema: dict[str, Any] = found.model_json_schema(ref_template=_REFERENCES.format(name="{model}"))
        schemas.update(schema.pop("$defs", {}))
        return schema

    (schema,), named = msgspec.json.schema_components([hint], schema_hook=custom, ref_template=_REFERENCES)
    schemas.update(named)
    return schema


def _array_schema(spec: ArraySpec) -> dict[str, Any]:
    items: dict[str, Any] = {}
    if spec.dtype:
        items = {"type": "integer" if "int" in spec.dtype else "number"}
    if spec.shape is None:
        return {"type": "array", "x-dtype": spec.dtype} if spec.dtype else {"type": "array"}
    schema = items
    for length in reversed(spec.shape.dimensions):
        schema = {"type": "array", "items": schema}
        if length not in (-1, None):
            schema.update(minItems=length, maxItems=length)
    return {**schema, "x-dtype": spec.dtype} if spec.dtype else schema


def _options(api: Api) -> dict[str, Any]:
    options = api.options
    if not options.batchable:
        return {"batchable": False}
    return {
        "batchable": True,
        "batch_dim": options.batch_dim,
        "max_batch_size": options.max_batch_size,
        "max_latency_ms": options.max_latency_ms,
        "isolate_errors": options.isolate_errors,
    }


def _error_responses() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REFERENCES.format(name=_ERROR)}}}
    return {status: {"description": text, "content": content} for status, text in _ERRORS.items()}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {"type": "object", "properties": {"error": text, "field": text}, "required": ["error"]}

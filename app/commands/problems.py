"""The service's problem documents, for commands that call the engine without the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson
from pydantic import BaseModel, ValidationError

from app.commands.console import ExitCode, Failure
from app.errors import respond
from app.problems import BrokenRule, RequestProblem
from app.usecases.decide import AssumptionsRefused
from app.validation import broken_rules, core_rule
from services.core.errors import InvalidInput


@contextmanager
def problems_as_failures(model: type[BaseModel], path: str) -> Iterator[None]:
    """Turn what is wrong with a body into a failure with the words, codes and document of the service.

    Parameters
    ----------
    model : type
        Model that the body is validated with.
    path : str
        Route that the body is meant for.
    """
    try:
        yield
    except RequestProblem as problem:
        raise failure_of(problem, path) from None
    except ValidationError as error:
        rules, count = broken_rules(error, model)
        raise failure_of(invalid_request(rules, count), path) from None
    except InvalidInput as error:
        raise failure_of(invalid_request([core_rule(error)], 1), path) from None
    except AssumptionsRefused as error:
        rules = [
            BrokenRule(item["pointer"], "assumption", f"{item['value']}: {item['effect']}")
            for item in error.assumptions
        ]
        detail = f"options.strict is true and {len(rules)} assumptions would be needed"
        raise failure_of(RequestProblem("assumptions_refused", detail, rules), path) from None


def invalid_request(rules: Sequence[BrokenRule], count: int) -> RequestProblem:
    """Problem of a body that breaks rules; the first one is its summary, as in the service."""
    first = f"{rules[0].pointer or 'the body'} {rules[0].detail}"
    more = f" (and {count - 1} more)" if count > 1 else ""
    return RequestProblem("invalid_request", first + more, rules, error_count=count)


def failure_of(problem: RequestProblem, path: str) -> Failure:
    """Problem as a failure; its document is the one that the service would send."""
    document = orjson.loads(respond({"path": path}, problem).body)
    errors = [(rule.pointer, rule.detail) for rule in problem.errors]
    more = problem.error_count - len(errors)
    remedy = f"… and {more} more" if more > 0 else "" if errors else problem.kind.remedy
    detail = "" if errors else problem.detail
    title = f"{problem.kind.title} ({problem.kind.code})"
    return Failure(ExitCode.REFUSED, title, detail, remedy, errors=errors, document=document)

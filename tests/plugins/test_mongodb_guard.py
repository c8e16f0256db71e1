"""What a MongoDB query may say. The corpus holds queries with the verdict that they must get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors._mongodb_query import read_query
from connectors._mongodb_regex import check_regex
from connectors.mongodb import MongodbConnector
from shared.errors import QueryRefused
from tests.docs.pages import all_blocks

CASES = json.loads((Path(__file__).parents[1] / "corpora" / "mongo_guard.json").read_text())["cases"]


def check(**parts: Any) -> frozenset[str]:
    return MongodbConnector.check_query(json.dumps({"collection": "o", **parts}))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_corpus_gets_its_verdicts(case: dict[str, Any]) -> None:
    text = json.dumps(case["query"])
    if case["verdict"] == "allow":
        read_query(text)
    else:
        with pytest.raises(QueryRefused):
            read_query(text)


def test_the_corpus_says_both_yes_and_no() -> None:
    assert {case["verdict"] for case in CASES} == {"allow", "refuse"}


WHERE = {"$where": "true"}
FUNCTION = {"$function": {"body": "f", "args": [], "lang": "js"}}


@pytest.mark.parametrize(
    "parts",
    [
        {"filter": WHERE},
        {"filter": {"$and": [{"$or": [WHERE]}]}},
        {"filter": {"a": {"$elemMatch": WHERE}}},
        {"filter": {"a": {"$not": WHERE}}},
        {"filter": {"a": {"$eq": {"b": WHERE}}}},
        {"filter": {"a": {"$in": [WHERE]}}},
        {"filter": {"$expr": {"$and": [{"$eq": [1, FUNCTION]}]}}},
        {"filter": {"a": {"$param": "x", "$where": "1"}}},
        {"filter": {"a": {"$date": {"$where": "1"}}}},
        {"filter": {"$comment": "x"}},
        {"projection": {"a": FUNCTION}},
        {"projection": {"$where": 1}},
        {"projection": {"a": {"$elemMatch": WHERE}}},
        {"sort": {"a": FUNCTION}},
        {"sort": {"a": "asc"}},
        {"limit": -1},
        {"limit": "5"},
        {"limit": True},
        {"pipeline": [], "filter": {}},
        {"pipeline": {}},
        {"pipeline": ["$match"]},
        {"pipeline": [{}]},
        {"pipeline": [{"$match": {}, "$out": "x"}]},
        {"pipeline": [{"$match": WHERE}]},
        {"pipeline": [{"$out": "x"}]},
        {"pipeline": [{"$merge": {"into": "x"}}]},
        {"pipeline": [{"$facet": {"a": [{"$out": "x"}]}}]},
        {"pipeline": [{"$lookup": {"from": "c", "pipeline": [{"$merge": "x"}], "as": "x"}}]},
        {"pipeline": [{"$lookup": {"from": "c", "let": {"x": FUNCTION}, "pipeline": [], "as": "x"}}]},
        {"pipeline": [{"$lookup": {"from": {"db": "admin", "coll": "users"}, "as": "x"}}]},
        {"pipeline": [{"$lookup": {"from": "system.users", "as": "x"}}]},
        {"pipeline": [{"$lookup": {"from": {"$param": "x"}, "as": "x"}}]},
        {"pipeline": [{"$graphLookup": {"from": "c", "restrictSearchWithMatch": WHERE}}]},
        {"pipeline": [{"$graphLookup": {"from": "system.js"}}]},
        {"pipeline": [{"$unionWith": {"coll": {"$param": "x"}}}]},
        {"pipeline": [{"$unionWith": {"pipeline": []}}]},
        {"pipeline": [{"$group": {"_id": 1, "x": FUNCTION}}]},
        {"pipeline": [{"$group": {"_id": FUNCTION}}]},
        {"pipeline": [{"$project": {"a": {"b": [FUNCTION]}}}]},
        {"pipeline": [{"$project": {"a": {"$literal": FUNCTION}}}]},
        {"pipeline": [{"$replaceWith": FUNCTION}]},
        {"pipeline": [{"$replaceRoot": {"newRoot": FUNCTION}}]},
        {"pipeline": [{"$replaceRoot": FUNCTION}]},
        {"pipeline": [{"$setWindowFields": {"partitionBy": FUNCTION, "output": {}}}]},
        {"pipeline": [{"$setWindowFields": {"output": {"a": FUNCTION}}}]},
        {"pipeline": [{"$bucket": {"groupBy": FUNCTION, "boundaries": [1]}}]},
        {"pipeline": [{"$sortByCount": FUNCTION}]},
        {"pipeline": [{"$redact": FUNCTION}]},
        {"pipeline": [{"$fill": {"output": {"a": {"value": FUNCTION}}}}]},
        {"pipeline": [{"$densify": {"field": "a", "range": FUNCTION}}]},
        {"pipeline": [{"$unset": {"$param": "x"}}]},
        {"pipeline": [{"$limit": {"$literal": 5}}]},
        {"pipeline": [{"$sample": {"size": -1}}]},
        {"pipeline": [{"$project": {"x": {"$regexMatch": {"input": "$a", "regex": "(a*)*"}}}}]},
        {"pipeline": [{"$project": {"x": {"$regexMatch": {"input": "$a", "regex": {"$concat": ["(a*", ")*"]}}}}}]},
        {"pipeline": [{"$facet": {"a": [{"$match": {}}] * 101}}]},
        {"collation": {"locale": "de", "$where": 1}},
        {"columns": []},
        {"columns": [{"name": "a", "type": "varchar"}]},
        {"columns": [{"name": "a", "type": "decimal(77, 2)"}]},
        {"sample": 0},
        {"sample": 1_000_000},
        {"maxTimeMS": 0},
        {"allowDiskUse": True},
    ],
)
def test_what_is_not_known_to_only_read_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(QueryRefused) as refused:
        check(**parts)
    assert refused.value.hint


@pytest.mark.parametrize(
    "parts",
    [
        {
            "filter": {"a": {"$gte": {"$date": "2026-01-01T00:00:00Z"}, "$lt": 5}},
            "sort": {"a": -1},
            "limit": 5,
            "skip": 1,
        },
        {
            "filter": {
                "$or": [{"a": 1}, {"b": {"$elemMatch": {"c": 1, "d": {"$gt": 1}}}}, {"e": {"$elemMatch": {"$gt": 1}}}]
            }
        },
        {"filter": {"a": {"$not": {"$regex": "^x", "$options": "i"}}, "b": {"$exists": True}, "c": {"$size": 2}}},
        {"filter": {"$expr": {"$gt": ["$a", {"$multiply": ["$b", 2]}]}}},
        {"filter": {"$text": {"$search": "coffee"}}, "projection": {"score": {"$meta": "textScore"}}},
        {"filter": {"at": {"$geoWithin": {"$centerSphere": [[1, 2], 0.1]}}}},
        {
            "filter": {"address": {"city": "Bern"}},
            "projection": {"items": {"$slice": 5}, "a": {"$elemMatch": {"b": 1}}},
        },
        {"find": {"a": 1}},
        {"aggregate": [{"$count": "n"}]},
        {"pipeline": [{"$unwind": {"path": "$items", "preserveNullAndEmptyArrays": True}}, {"$unset": ["a", "b"]}]},
        {"pipeline": [{"$lookup": {"from": "c", "localField": "a", "foreignField": "_id", "as": "c"}}]},
        {"pipeline": [{"$lookup": {"from": "c", "let": {"x": "$a"}, "pipeline": [{"$match": {}}], "as": "c"}}]},
        {"pipeline": [{"$unionWith": "c"}, {"$facet": {"a": [{"$count": "n"}], "b": [{"$sortByCount": "$x"}]}}]},
        {"pipeline": [{"$setWindowFields": {"sortBy": {"a": 1}, "output": {"r": {"$rank": {}}}}}]},
        {"pipeline": [{"$group": {"_id": {"$dateTrunc": {"date": "$d", "unit": "month"}}, "n": {"$sum": 1}}}]},
        {
            "pipeline": [
                {"$project": {"x": {"$switch": {"branches": [{"case": True, "then": 1}], "default": "$$REMOVE"}}}}
            ]
        },
        {"pipeline": [{"$densify": {"field": "d", "range": {"step": 1, "unit": "day", "bounds": "full"}}}]},
        {
            "pipeline": [
                {"$bucket": {"groupBy": "$a", "boundaries": [0, 5], "default": "other", "output": {"n": {"$sum": 1}}}}
            ]
        },
        {"collation": {"locale": "de", "strength": 2, "numericOrdering": True}},
        {"columns": [{"name": "a", "type": "decimal(38, 2)"}], "sample": 10, "documents": "json"},
    ],
)
def test_what_reports_need_is_allowed(parts: dict[str, Any]) -> None:
    assert check(**parts) == frozenset()


def test_parameters_are_found_wherever_a_value_may_be() -> None:
    names = check(
        pipeline=[
            {"$match": {"a": {"$param": "p1"}, "b": {"$in": {"$param": "p2"}}, "c": {"$regex": {"$param": "p3"}}}},
            {"$project": {"x": {"$cond": [{"$gt": ["$a", {"$param": "p4"}]}, 1, 0]}}},
            {"$limit": {"$param": "p5"}},
            {"$sample": {"size": {"$param": "p6"}}},
        ]
    )
    assert names == {f"p{n}" for n in range(1, 7)}


def test_a_parameter_in_an_expression_is_a_literal_and_in_a_condition_the_value() -> None:
    text = json.dumps({"collection": "o", "filter": {"a": {"$param": "p"}, "$expr": {"$eq": ["$b", {"$param": "p"}]}}})
    asked = read_query(text, lambda name: f"${name}")
    assert asked.find == {"filter": {"a": "$p", "$expr": {"$eq": ["$b", {"$literal": "$p"}]}}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1", "not JSON"),
        ('{"collection": "o",}', "not JSON"),
        ("[]", "object"),
        ('{"filter": {}}', "collection"),
        ('{"collection": "o", "filter": {"a": 1, "a": 2}}', "a is written twice"),
        ('{"collection": "o", "filter": {"a": NaN}}', "NaN"),
        ('{"collection": "o", "filter": ' + '{"a":' * 5000 + "1" + "}" * 5001, "nested"),
        ('{"collection": "o", "filter": ' + '{"a":' * 200 + "1" + "}" * 201, "nested"),
        ('{"collection": "o", "filter": {"a": "' + "x" * 300_000 + '"}}', "longer than"),
    ],
)
def test_a_query_that_is_no_query_is_told_why(text: str, reason: str) -> None:
    with pytest.raises(QueryRefused, match=reason) as refused:
        read_query(text)
    assert refused.value.hint


def test_json_errors_have_line_and_column() -> None:
    with pytest.raises(QueryRefused) as refused:
        read_query('{"collection": "o",\n "filter": }')
    assert (refused.value.line, refused.value.column) == (2, 12)


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", "(?:x{2,})+", "((a+)b?)*", "(a|b+){2,}", r"(\w+\s?)*$"])
def test_a_regex_that_can_take_forever_is_refused(pattern: str) -> None:
    with pytest.raises(QueryRefused, match="exponential"):
        check_regex(pattern, "filter.a")


@pytest.mark.parametrize(
    "pattern", ["^DROP", "a+b*c?", "(ab)+", r"(a\+)+", "([*+])+", "(a+)?", "(a+){2}", "[]+]*(b)+", ")+"]
)
def test_a_harmless_regex_is_allowed(pattern: str) -> None:
    assert check_regex(pattern, "filter.a") == pattern


def test_queries_in_the_documentation_may_be_sent() -> None:
    found = [block.text for block in all_blocks("json") if '"collection"' in block.text]
    assert [sorted(read_query(text).parameters) for text in found] == [["since", "statuses"], ["since"]]

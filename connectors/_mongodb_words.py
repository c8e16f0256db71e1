"""What a MongoDB query may say: operators that read. What is not listed is refused.

So server-side JavaScript ($where, $function, $accumulator) is not here; nor are, among the stages, those that write
($out, $merge) and those that look into the server ($currentOp, $indexStats …).

Lists after https://www.mongodb.com/docs/manual/reference/operator/.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(f"${word}" for word in text.split())


LOGICAL = _words("and or nor")
CONDITIONS = _words(
    "eq ne gt gte lt lte in nin exists type all size elemMatch not mod regex options "
    "bitsAllClear bitsAllSet bitsAnyClear bitsAnySet geoWithin geoIntersects"
)
GEOMETRY = _words("geometry box center centerSphere polygon")
TEXT_SEARCH = _words("search language caseSensitive diacriticSensitive")
REGEX_EXPRESSIONS = _words("regexFind regexFindAll regexMatch")

EXPRESSIONS = REGEX_EXPRESSIONS | _words(
    # numbers and bits
    "abs add ceil divide exp floor ln log log10 mod multiply pow round sqrt subtract trunc rand "
    "bitAnd bitNot bitOr bitXor sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh "
    "degreesToRadians radiansToDegrees "
    # arrays and sets
    "arrayElemAt arrayToObject concatArrays filter first firstN in indexOfArray isArray last lastN map maxN minN "
    "objectToArray range reduce reverseArray size slice sortArray zip allElementsTrue anyElementTrue setDifference "
    "setEquals setIntersection setIsSubset setUnion "
    # comparisons and conditions
    "and not or cmp eq gt gte lt lte ne cond ifNull switch let literal "
    # dates
    "dateAdd dateDiff dateFromParts dateFromString dateSubtract dateToParts dateToString dateTrunc dayOfMonth "
    "dayOfWeek dayOfYear hour isoDayOfWeek isoWeek isoWeekYear millisecond minute month second "
    "week year tsIncrement tsSecond "
    # text
    "concat indexOfBytes indexOfCP ltrim replaceAll replaceOne rtrim split strLenBytes strLenCP strcasecmp substr "
    "substrBytes substrCP toLower toUpper trim "
    # types and documents
    "convert isNumber toBool toDate toDecimal toDouble toInt toLong toObjectId toString toUUID type "
    "binarySize bsonSize getField setField unsetField mergeObjects meta "
    # groups and windows
    "addToSet avg bottom bottomN count max median min percentile push stdDevPop stdDevSamp sum top topN covariancePop "
    "covarianceSamp denseRank derivative documentNumber expMovingAvg integral linearFill locf rank shift"
)

LITERALS = frozenset(
    {"$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$uuid", "$binary"}
)
"""Values that JSON lacks, as MongoDB Extended JSON writes them."""

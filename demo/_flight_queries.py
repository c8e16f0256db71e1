"""Reports on the flights of 2013. The tests count the rows again, from the CSV files."""

from __future__ import annotations

from demo._query import DemoQuery

_CARRIER_SCORECARD = DemoQuery(
    key="carrier_scorecard",
    name="Carrier scorecard",
    description="Flights, cancellations, average delays and punctuality of each airline and month, from every single "
    "flight: the counts add up to 336,776.",
    source="flights_sqlite",
    sql="""\
SELECT f.month, f.carrier, a.name AS airline,
       count(*) AS flights,
       count(*) - count(f.dep_time) AS cancelled,
       round(avg(f.dep_delay), 1) AS average_departure_delay,
       round(avg(f.arr_delay), 1) AS average_arrival_delay,
       round(100.0 * count(CASE WHEN f.arr_delay <= 15 THEN 1 END) / count(*), 1) AS on_time_percent
FROM flights f
JOIN airlines a ON a.carrier = f.carrier
GROUP BY f.month, f.carrier, a.name
ORDER BY f.month, flights DESC, f.carrier
""",
    row_count=185,
)

_DAILY_DEPARTURES = DemoQuery(
    key="daily_departures",
    name="Daily departures of an airport",
    description="The departure board of one airport on this day of the year 2013; the day is relative, so tomorrow's "
    "execution reports tomorrow, and a rerun gives the same rows again.",
    source="flights_sqlite",
    sql="""\
SELECT f.flight_date,
       printf('%02d:%02d', f.sched_dep_time / 100, f.sched_dep_time % 100) AS scheduled,
       CASE WHEN f.dep_time IS NULL THEN 'cancelled'
            WHEN f.dep_delay > 15 THEN 'late'
            ELSE 'on time' END AS status,
       f.dep_delay AS minutes_late, f.carrier, f.flight, f.dest, d.name AS destination, f.tailnum, f.time_hour
FROM flights f
LEFT JOIN airports d ON d.faa = f.dest
WHERE f.origin = :origin
  AND f.flight_date = date('2013-' || strftime('%m-%d', :day), '+0 days')  -- 29 February: 1 March
ORDER BY f.sched_dep_time, f.carrier, f.flight
""",
    parameters=(
        {"name": "origin", "type": "string", "default": "JFK", "label": "Airport (JFK, LGA or EWR)"},
        {"name": "day", "type": "date", "default": "today", "label": "Day; its year is read as 2013"},
    ),
    example={"origin": "EWR", "day": "2013-07-01"},
    row_count=344,
)

_LONGEST_DELAYS = DemoQuery(
    key="longest_delays",
    name="Longest delays",
    description="Every departure that was later than the given number of minutes, worst first, with the aircraft: a "
    "worklist, not a dashboard.",
    source="flights_sqlite",
    sql="""\
SELECT f.dep_delay AS minutes_late, f.flight_date, a.name AS airline, f.flight, f.origin, f.dest,
       f.tailnum, p.manufacturer, p.model, p.year AS built
FROM flights f
JOIN airlines a ON a.carrier = f.carrier
LEFT JOIN planes p ON p.tailnum = f.tailnum
WHERE f.dep_delay >= :minutes
ORDER BY f.dep_delay DESC, f.flight_date, f.flight
""",
    parameters=({"name": "minutes", "type": "integer", "default": 360, "required": True, "label": "Minutes late"},),
    example={"minutes": 720},
    row_count=29,
)

_UNKNOWN_AIRCRAFT = DemoQuery(
    key="unknown_aircraft",
    name="Aircraft that no registry knows",
    description="A data quality check that finds something: tail numbers that flew but have no row in the registry, "
    "with the first and last day they were seen.",
    source="flights_duckdb",
    sql="""\
SELECT f.tailnum, f.carrier, count(*) AS flights, min(f.flight_date) AS first_seen, max(f.flight_date) AS last_seen
FROM flights f
WHERE f.tailnum IS NOT NULL AND NOT EXISTS (SELECT 1 FROM planes p WHERE p.tailnum = f.tailnum)
GROUP BY f.tailnum, f.carrier
ORDER BY flights DESC, f.tailnum, f.carrier
""",
    row_count=721,
)

_DEPARTURES_BY_AIRLINE = DemoQuery(
    key="departures_by_airline",
    name="Departures by airline",
    description="Sixteen rows for a page and a chart: how many flights each airline had, its share, and the delay that "
    "nine of ten of them stay below.",
    source="flights_duckdb",
    sql="""\
SELECT a.name AS airline,
       count(*) AS flights,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS share_percent,
       count(*) FILTER (WHERE f.dep_time IS NULL) AS cancelled,
       median(f.dep_delay) AS median_delay,
       round(quantile_cont(f.dep_delay, 0.9), 1) AS nine_of_ten_below
FROM flights f
JOIN airlines a USING (carrier)
GROUP BY a.name
ORDER BY flights DESC
""",
    row_count=16,
)

_WEATHER_AGAINST_DELAYS = DemoQuery(
    key="weather_against_delays",
    name="Weather against delays",
    description="Does bad weather make flights late? Each flight joined with the weather at its airport in its hour; "
    "the 1,556 flights without a reading stand apart instead of vanishing.",
    source="flights_duckdb",
    sql="""\
SELECT f.origin AS airport,
       CASE WHEN w.origin IS NULL THEN 'no reading'
            WHEN w.precip >= 0.1 THEN 'heavy rain or snow'
            WHEN w.precip > 0 THEN 'rain or snow'
            WHEN w.visib < 3 THEN 'fog'
            WHEN w.wind_speed >= 20 THEN 'strong wind'
            ELSE 'calm' END AS weather,
       count(*) AS flights,
       round(avg(f.dep_delay), 1) AS average_delay,
       round(quantile_cont(f.dep_delay, 0.9), 1) AS nine_of_ten_below,
       round(100.0 * count(*) FILTER (WHERE f.dep_time IS NULL) / count(*), 2) AS cancelled_percent
FROM flights f
LEFT JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
GROUP BY airport, weather
ORDER BY airport, average_delay DESC
""",
    row_count=18,
)

_BUSIEST_ROUTES = DemoQuery(
    key="busiest_routes",
    name="Busiest routes",
    description="The most flown routes of each airport with distance, time in the air and the airlines that fly them.",
    source="flights_duckdb",
    sql="""\
SELECT f.origin, f.dest, any_value(d.name) AS destination,
       count(*) AS flights,
       rank() OVER (PARTITION BY f.origin ORDER BY count(*) DESC) AS place,
       any_value(f.distance) AS miles,
       round(avg(f.air_time)) AS minutes_in_the_air,
       string_agg(DISTINCT f.carrier, ' ' ORDER BY f.carrier) AS airlines
FROM flights f
LEFT JOIN airports d ON d.faa = f.dest
GROUP BY f.origin, f.dest
QUALIFY place <= :places
ORDER BY f.origin, place, f.dest
""",
    parameters=({"name": "places", "type": "integer", "default": 10, "required": True, "label": "Routes per airport"},),
    example={"places": 10},
    row_count=30,
)

_EVERY_FLIGHT = DemoQuery(
    key="every_flight",
    name="Every flight of 2013",
    description="The big one: 336,776 rows of 20 columns with names joined in, streamed in bounded memory, and every "
    "file says how many rows it holds.",
    source="flights_duckdb",
    sql="""\
SELECT f.flight_date, f.time_hour, f.carrier, a.name AS airline, f.flight, f.tailnum, p.manufacturer, p.model,
       f.origin, f.dest, d.name AS destination, f.sched_dep_time, f.dep_time, f.dep_delay,
       f.sched_arr_time, f.arr_time, f.arr_delay, f.air_time, f.distance, f.dep_time IS NULL AS is_cancelled
FROM flights f
JOIN airlines a ON a.carrier = f.carrier
LEFT JOIN airports d ON d.faa = f.dest
LEFT JOIN planes p ON p.tailnum = f.tailnum
ORDER BY f.time_hour, f.carrier, f.flight
""",
    row_count=336_776,
)

FLIGHT_QUERIES = (
    _CARRIER_SCORECARD,
    _DAILY_DEPARTURES,
    _LONGEST_DELAYS,
    _UNKNOWN_AIRCRAFT,
    _DEPARTURES_BY_AIRLINE,
    _WEATHER_AGAINST_DELAYS,
    _BUSIEST_ROUTES,
    _EVERY_FLIGHT,
)

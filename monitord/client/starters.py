"""Commented example files; each is valid without a change.

The first line names the schema to editors, relative to where the file belongs in a session's folder.
"""

from __future__ import annotations

_TARGETS = """\
# yaml-language-server: $schema=../schemas/targets.json
# Put it into the session's targets/. Delete it there, and its targets are no longer scraped.

# client: c1                   # the client's name; default: this file's name without .yaml
node: mel0042                  # the client's node: bare ports and localhost refer to it

# kind of exporter: port, host:port or URL
exporters:
  node: 9100
  # dcgm: "mel0042:9400"

# nodes: mel[0042-0045]        # a Slurm hostlist: bare exporter ports are scraped on each node

services:
  - name: triton
    endpoint: http://localhost:8000/metrics
    # labels: {model: llama3-8b}
    # basic_auth: {username: bench, password_file: /home/you/secret}   # only if the daemon runs as you
    # bearer_token_file: /home/you/token                               # instead of basic_auth
    # tls: {ca_file: /home/you/ca.pem}                                 # for https
    # interval: 5s             # default: the session's
    # timeout: 2s

labels:                        # on every series of this file
  run: bench01

# lease: 10m                   # withdrawn when this file is not touched for this long
# slurm_job: 1234567           # withdrawn when that job leaves the queue
"""

_WINDOW = """\
# yaml-language-server: $schema=../schemas/window.json
# As windows/run01.yaml this requests a window in the past. A window that happens now needs no content:
# touch windows/run01.start, and later windows/run01.stop.

from: 2026-01-31T09:30:00Z     # ISO 8601 with a zone, or Unix seconds
to: 2026-01-31T09:40:00Z

# labels: {variant: baseline}  # kept in the manifest
# recipes: [http, node]        # default: all that are in force
# warmup: 30s                  # not measured, at its start; cooldown: likewise at its end

# slo:                         # conditions that it must meet
#   - latency.p99 < 250 ms
#   - coverage >= 0.95

# What the client measured itself; it appears in the results as reported.<name>.
# results:
#   requests: 30000
#   latency_p99: {value: 412.5, unit: ms}
"""

_RECIPE = """\
# yaml-language-server: $schema=../schemas/recipe.json
# A session's own recipes are files in its recipes/; one with the name of a packaged recipe replaces it.

name: mine
help: The service's own metrics.
services: ["*"]                # job names that it fits; * and ? stand for anything

kpis:
  - name: tokens
    help: Tokens generated per second of the window.
    unit: tokens/s
    kind: counter              # counter, gauge, histogram or expr
    metric: generated_tokens_total
    stats: [mean, max, total]
    by: [service, node]        # rows in addition to that of the whole session
"""

_SETTINGS = """\
# yaml-language-server: $schema=schemas/settings.json
# A session's session.yaml. A missing key has the value of the site's file, or else the default.

session: bench01
scrape_interval: 5s

prometheus:
  port: 0                      # 0: any free one
  # data_dir: /tmp/prometheus  # a node-local disk is best
  # retention: 15d
  # snapshots: end             # of the data into the session folder: auto, never, end or windows
  # tls: {enabled: true}       # https, with a generated certificate

# targets: {allow: [10.0.0.0/8, "mel*"]}     # empty: all but targets.deny

# windows: {settle_timeout: 30s, min_coverage: 0.95, samples: true, blocks: false}
# status: {keep: 1d}           # how long the status of a deleted file or window is kept
"""

STARTERS = {"targets": _TARGETS, "window": _WINDOW, "recipe": _RECIPE, "settings": _SETTINGS}

#!/usr/bin/env bash
# Checks the alerts with Prometheus's own tool, and runs their unit tests, where it is installed (Debian: prometheus). Their
# names are held by `cargo test` everywhere.
set -euo pipefail
cd "$(dirname "$0")/../config/prometheus"
if ! command -v promtool >/dev/null; then
    echo 'promtool is not here: the rules of alerts.yml were not run'
    exit 0
fi
promtool check rules alerts.yml
promtool test rules alerts_test.yml

// Package prom is the door to Prometheus: it keeps metrics in Prometheus's
// TSDB, answers PromQL, evaluates rules, scrapes what services expose, and
// serves Prometheus's HTTP API, so that whoever speaks to Prometheus speaks to
// plat.
//
// It owns the folder that it is opened on, the caps (how many series, samples,
// bytes) and what is refused beyond them. It must never import another room of
// plat but telemetry and fault, and nothing of Prometheus's own program:
// configuration files, discovery of targets, its web pages (docs/adr/0013 has
// the figures).
package prom

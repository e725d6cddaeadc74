package api

import (
	"context"
	"net/url"
	"time"
)

// Traffic is rate, errors, duration and saturation of the running system, over
// a short time until now: GET /v1/traffic.
type Traffic struct {
	At       time.Time     `json:"at"`
	Window   int64         `json:"window" doc:"nanoseconds that rates are over"`
	Gateways []Flow        `json:"gateways"`
	Services []ServiceFlow `json:"services"`
}

// Flow is the requests through one gateway or to one service.
type Flow struct {
	Name   string   `json:"name"`
	Rate   float64  `json:"rate" doc:"requests a second"`
	Errors float64  `json:"errors" doc:"share that was answered by 5xx or not at all, 0 to 1"`
	P50    *float64 `json:"p50,omitempty" doc:"seconds; absent without requests"`
	P95    *float64 `json:"p95,omitempty"`
	P99    *float64 `json:"p99,omitempty"`
}

// ServiceFlow is of a service's requests and processes.
type ServiceFlow struct {
	Flow
	InFlight float64 `json:"inFlight" doc:"requests that wait for an answer"`
	CPU      float64 `json:"cpu" doc:"processor cores in use"`
	Memory   float64 `json:"memory" doc:"resident bytes"`
}

// Traffic tells rate, errors, duration and saturation over a time until now,
// 1m where it is 0.
func (c *Client) Traffic(ctx context.Context, window time.Duration) (Traffic, error) {
	v := question{}
	v.length("window", window)
	return get[Traffic](ctx, c, "/v1/traffic?"+url.Values(v).Encode())
}

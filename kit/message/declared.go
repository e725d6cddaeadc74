package message

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/plat-dev/plat/kit"
)

// declaration is what service.yaml says about events (PLAT_EVENTS).
type declaration struct {
	known   bool // false: nobody told, everything may be published
	publish []string
	consume map[string]source
}

// source is where the events of one type come from.
type source struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Retries  int    `json:"retries"`
}

func declared(s *kit.Service) (declaration, error) {
	text := s.Env("PLAT_EVENTS")
	if text == "" {
		// Under plat a service without the variable has declared nothing.
		return declaration{known: s.Env("PLAT_INSTANCE") != ""}, nil
	}
	var d struct {
		Publish []string          `json:"publish"`
		Consume map[string]source `json:"consume"`
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return declaration{}, fmt.Errorf("PLAT_EVENTS is wrong: %w", err)
	}
	for eventType, c := range d.Consume {
		if c.Stream == "" || c.Consumer == "" || c.Retries < 0 {
			return declaration{}, fmt.Errorf("PLAT_EVENTS is wrong: consume %q needs a stream, a consumer and retries of 0 or more", eventType)
		}
	}
	return declaration{known: true, publish: d.Publish, consume: d.Consume}, nil
}

func (d declaration) mayPublish(eventType string) error {
	if !d.known || slices.Contains(d.publish, eventType) {
		return nil
	}
	return fmt.Errorf("event %q is not declared: add provides.events.%s to service.yaml", eventType, eventType)
}

func (d declaration) mayConsume(eventType string) error {
	if _, ok := d.consume[eventType]; ok || !d.known {
		return nil
	}
	return fmt.Errorf("subscription to %q is not declared: add consumes.events.%s to service.yaml", eventType, eventType)
}

package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

const (
	maxFollowers = 64
	heartbeat    = 15 * time.Second // shows both ends that the other is there
)

// changes answers GET /v1/changes: server-sent events (HTML Living Standard,
// section 9.2), each an api.Change.
type changes struct {
	topics    func(ctx context.Context) <-chan []string
	followers atomic.Int64
}

func newChanges(topics func(ctx context.Context) <-chan []string) *changes {
	return &changes{topics: topics}
}

// ServeHTTP tells one follower until it goes away or plat ends.
func (c *changes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer c.followers.Add(-1)
	if c.followers.Add(1) > maxFollowers {
		w.Header().Set("Retry-After", "5")
		writeProblem(w, http.StatusServiceUnavailable, fault.Newf(fault.APIBusy, "%d programs follow the changes already, the limit", maxFollowers).Fix("close a page of the console"))
		return
	}
	flush := http.NewResponseController(w).Flush
	w.Header().Set("Content-Type", "text/event-stream")
	topics := c.topics(r.Context())
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	_, err := fmt.Fprint(w, "retry: 1000\n\n")
	for err == nil {
		if err = flush(); err != nil {
			return
		}
		select {
		case <-beat.C:
			_, err = fmt.Fprint(w, ": still here\n\n")
		case list, ok := <-topics:
			if !ok {
				return
			}
			var text []byte
			if text, err = json.Marshal(api.Change{Topics: list}); err == nil {
				_, err = fmt.Fprintf(w, "data: %s\n\n", text)
			}
		}
	}
}

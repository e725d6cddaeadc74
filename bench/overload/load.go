package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// summary is what the callers saw, each second.
type summary struct {
	Asked, Good, Shed, Late float64
	Median                  time.Duration // of good answers
	share                   float64       // of the peak, good
	Tail                    time.Duration // 99 of 100 of all that were let in, good or late
}

// Bounds of one load.
const (
	mostRequests = 200_000
	mostWorkers  = 4_000
)

// loadRole asks, and prints what it saw: an address, how many a second (0: as
// many clients as the next says, each after his answer), and seconds.
func loadRole(args []string) error {
	rate, err1 := strconv.ParseFloat(args[1], 64)
	clients, err2 := strconv.Atoi(args[2])
	seconds, err3 := strconv.Atoi(args[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if rate*float64(seconds) > mostRequests {
		return errors.New("that would be too many requests")
	}
	var results []seen
	if rate > 0 {
		results = open(args[0], rate, time.Duration(seconds)*time.Second)
	} else {
		results = closed(args[0], clients, time.Duration(seconds)*time.Second)
	}
	return json.NewEncoder(os.Stdout).Encode(sum(results, float64(seconds)))
}

type seen struct {
	status int // 0: none in time
	took   time.Duration
}

// open is load that does not wait for answers.
func open(addr string, rate float64, last time.Duration) []seen {
	attacker := vegeta.NewAttacker(vegeta.Timeout(4*deadline), vegeta.Workers(64), vegeta.MaxWorkers(mostWorkers),
		vegeta.Connections(mostWorkers), vegeta.HTTP2(false), vegeta.Redirects(vegeta.NoFollow))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: "http://" + addr + "/"})
	pace := vegeta.Rate{Freq: int(rate * 1000), Per: 1000 * time.Second}
	var all []seen
	for r := range attacker.Attack(target, pace, last, "overload") {
		all = append(all, seen{int(r.Code), r.Latency})
	}
	return all
}

// closed is load by so many clients, each of whom waits for his answer.
func closed(addr string, clients int, last time.Duration) []seen {
	ctx, cancel := context.WithTimeout(context.Background(), last)
	defer cancel()
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer c.CloseIdleConnections()
	all := make([][]seen, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil) // #nosec G704 -- named by our parent, on loopback
				if err != nil {
					return
				}
				res, err := c.Do(req) // #nosec G704 -- the same
				if err != nil {
					continue // the time is over, or the service begins
				}
				_ = res.Body.Close() // its status is what counts
				all[i] = append(all[i], seen{res.StatusCode, time.Since(begun)})
			}
		})
	}
	group.Wait()
	return slices.Concat(all...)
}

func sum(all []seen, seconds float64) summary {
	var s summary
	var good, in []time.Duration
	for _, r := range all {
		switch {
		case r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests:
			s.Shed++
			continue
		case r.status == http.StatusOK && r.took <= deadline:
			s.Good++
			good = append(good, r.took)
		default:
			s.Late++
		}
		in = append(in, r.took)
	}
	s.Asked, s.Good, s.Shed, s.Late = float64(len(all))/seconds, s.Good/seconds, s.Shed/seconds, s.Late/seconds
	s.Median, s.Tail = percentile(good, 50), percentile(in, 99)
	return s
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

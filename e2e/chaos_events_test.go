package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// receiver pulls a service's events as a plain client does, with what plat gave
// to the service.
type receiver struct {
	jetstream.Consumer
	ids []string // as they came
}

func receives(t *testing.T, h *house.House, service string) *receiver {
	t.Helper()
	svc, err := operator(t, h).Service(t.Context(), service)
	if err != nil || len(svc.Instances) != 1 {
		t.Fatalf("%s: %+v, %v", service, svc, err)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", svc.Instances[0].PID))
	if err != nil {
		t.Fatal(err)
	}
	url := ""
	for _, variable := range strings.Split(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, "NATS_URL="); ok {
			url = value
		}
	}
	conn, err := natsgo.Connect(url, natsgo.CustomInboxPrefix("_INBOX."+service), natsgo.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), "till", service+"_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{Consumer: consumer}
}

// next pulls one event; nil: none came.
func (r *receiver) next(t *testing.T, within time.Duration) jetstream.Msg {
	t.Helper()
	m, err := r.Next(jetstream.FetchMaxWait(within))
	if errors.Is(err, natsgo.ErrTimeout) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	r.ids = append(r.ids, m.Headers().Get("ce-id"))
	return m
}

// takes pulls one event, if one comes soon, and acknowledges it.
func (r *receiver) takes(t *testing.T) {
	t.Helper()
	if m := r.next(t, time.Second); m != nil {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// handled tells whether everything that was published to a service is
// acknowledged, and how it stands.
func handled(t *testing.T, h *house.House, service string) (bool, string) {
	t.Helper()
	events, err := operator(t, h).Events(t.Context())
	if err != nil {
		return false, err.Error()
	}
	for _, c := range events.Consumers {
		if c.Service == service {
			return c.Lag == 0 && c.Unacked == 0, fmt.Sprintf("%+v", c)
		}
	}
	return false, "there is no such consumer"
}

// TestKilledWhileEventsFail: events come twice, late and in another order, and
// plat is killed amid this; none is lost, and the next plat gives each as it is.
func TestKilledWhileEventsFail(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"plat.yaml":                  eventsPlan,
		"services/till/service.yaml": "service: till\nowner: team\nrun: [DUMMY]\nprovides: {events: {order.placed: {}}}\n",
	}
	services := []string{"twice", "late", "turned"}
	for _, name := range services {
		files["services/"+name+"/service.yaml"] = "service: " + name + "\nowner: team\nrun: [DUMMY]\nconsumes: {events: {order.placed: {retries: 5}}}\n"
	}
	h := house.Up(t, system(t, files))
	run, err := operator(t, h).Experiment(t.Context(), api.NewExperiment{
		File: "events.yaml", Text: "experiment: events\nowner: team\nsteady: {objectives: [till]}\nduration: 10m\nfaults:\n" +
			"  - {do: duplicate, service: twice, event: order.placed, customers: all}\n" +
			"  - {do: latency, service: late, event: order.placed, delay: 1h, customers: all}\n" +
			"  - {do: reorder, service: turned, event: order.placed, delay: 1h, customers: all}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	house.Until(t, "events fail", func() (bool, string) {
		report, err := operator(t, h).ChaosReport(t.Context(), "last")
		return err == nil && report.Phase == "during", fmt.Sprintf("%+v, %v", report, err)
	})

	url := gave(t, h, "till", "PLAT_PUBLISH")
	var published []string
	publish := func() {
		t.Helper()
		id := fmt.Sprintf("order-%02d", len(published))
		if a := place(t, url, id, `{}`); a.Status != 202 {
			t.Fatalf("%s: %d %s", id, a.Status, a.Body)
		}
		published = append(published, id)
	}
	for range 16 { // so many are turned round at once
		publish()
	}
	received := map[string]*receiver{}
	for _, name := range services {
		received[name] = receives(t, h, name)
	}

	// Each of the three is amid its failure when plat dies: one event was
	// acknowledged twice and others once or not at all; none came yet; the last
	// came first, and is with a service that will not answer for it.
	house.Until(t, "an event comes twice", func() (bool, string) {
		twice := received["twice"]
		twice.takes(t)
		return len(twice.ids) > len(slices.Compact(slices.Sorted(slices.Values(twice.ids)))), fmt.Sprint(twice.ids)
	})
	house.Until(t, "events come in another order", func() (bool, string) {
		turned := received["turned"]
		return turned.next(t, time.Second) != nil, fmt.Sprint(turned.ids)
	})
	if first := received["turned"].ids[0]; first != published[15] {
		t.Errorf("of those turned round %s came first, want %s", first, published[15])
	}
	if m := received["late"].next(t, time.Second); m != nil {
		t.Errorf("%s came at once, and not after an hour", received["late"].ids)
	}
	killed(t, h)
	again(t, h)

	report, err := operator(t, h).ChaosReport(t.Context(), "last")
	if err != nil || report.ID != run.ID || report.State != "stopped" {
		t.Errorf("what is known of it: %+v, %v", report, err)
	}
	for _, name := range services {
		before := received[name].ids
		now := receives(t, h, name)
		house.Until(t, name+" takes all", func() (bool, string) {
			now.takes(t)
			ok, said := handled(t, h, name)
			return ok, fmt.Sprint(said, now.ids)
		})
		got := slices.Compact(slices.Sorted(slices.Values(append(before, now.ids...))))
		if diff := cmp.Diff(published, got); diff != "" {
			t.Errorf("%s received (-want +got):\n%s", name, diff)
		}
		received[name] = now
	}
	// None is held back any more, nor comes before an earlier one.
	if late := received["late"].ids; !slices.IsSorted(late) {
		t.Errorf("after the kill these came late: %v", late)
	}
	url = gave(t, h, "till", "PLAT_PUBLISH")
	publish()
	for _, name := range services {
		now := received[name]
		seen := len(now.ids)
		house.Until(t, name+" receives another", func() (bool, string) {
			now.takes(t)
			return len(now.ids) > seen, fmt.Sprint(now.ids)
		})
		if last := now.ids[seen]; last != published[16] {
			t.Errorf("%s received %s, want %s", name, last, published[16])
		}
		// Whoever acknowledged it once has done so: it does not come again.
		house.Until(t, name+" is done with it", func() (bool, string) { return handled(t, h, name) })
	}
	if events, err := operator(t, h).Events(t.Context()); err != nil || events.Dead != 0 {
		t.Errorf("%d dead letters, %v: %+v", events.Dead, err, events.DeadLetters)
	}
}

package nats_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

// denials collects what the server refused to a connection.
type denials chan error

func (d denials) option() natsgo.Option {
	return natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
		select {
		case d <- err:
		default:
		}
	})
}

// want waits for a refusal that names the subject.
func (d denials) want(t *testing.T, subject string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case err := <-d:
			if errors.Is(err, natsgo.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject) {
				return
			}
		case <-deadline:
			t.Fatalf("%s was not refused", subject)
		}
	}
}

func placed(id string) *natsgo.Msg {
	return &natsgo.Msg{Subject: "event.order.placed", Data: []byte(`{"n":1}`), Header: natsgo.Header{
		"Nats-Msg-Id": {id}, "ce-specversion": {"1.0"}, "ce-id": {id}, "ce-type": {"order.placed"}, "ce-source": {"/services/order"}, "content-type": {"application/json"},
	}}
}

func TestServicesMayDoWhatThePlanSays(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	order, finance := stream(t, client(t, srv, "order")), stream(t, client(t, srv, "finance"))
	for _, id := range []string{"a", "b", "a"} {
		ack, err := order.PublishMsg(ctx(t), placed(id))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]uint64{"a": 1, "b": 2}[id]; ack.Stream != "order" || ack.Sequence != want {
			t.Errorf("publish %s = %+v, want sequence %d", id, ack, want)
		}
	}
	consumer, err := finance.Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	if c := consumer.CachedInfo().Config; c.MaxDeliver != 3 || c.AckPolicy != jetstream.AckExplicitPolicy || c.MaxAckPending != event.Unacked || len(c.BackOff) != 0 || c.AckWait != event.AckWait {
		t.Errorf("consumer = %+v", c)
	}
	batch, err := consumer.Fetch(2, jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range batch.Messages() {
		got = append(got, m.Headers().Get("ce-id"))
		if err := m.DoubleAck(ctx(t)); err != nil {
			t.Error(err)
		}
	}
	if strings.Join(got, " ") != "a b" {
		t.Errorf("delivered %v (%v), want a and b", got, batch.Error())
	}
	info, err := consumer.Info(ctx(t))
	if err != nil || info.NumPending != 0 || info.NumAckPending != 0 {
		t.Errorf("after both were acknowledged: %+v, %v", info, err)
	}
}

func TestServicesMayDoNothingElse(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	denied := make(denials, 16)
	nc := client(t, srv, "order", denied.option())
	for _, subject := range []string{
		"event.payment.taken", "event.order", "event.order.placed.now", "event.other", "plat.dead.x", "plat.probe", "anything",
		"$JS.API.STREAM.CREATE.mine", "$JS.API.STREAM.UPDATE.order", "$JS.API.STREAM.DELETE.order", "$JS.API.STREAM.PURGE.order", "$JS.API.STREAM.NAMES",
		"$JS.API.STREAM.INFO.order", "$JS.API.STREAM.MSG.GET.order", "$JS.API.STREAM.MSG.DELETE.order", "$JS.API.DIRECT.GET.order", "$JS.API.INFO",
		"$JS.API.CONSUMER.CREATE.finance.mine", "$JS.API.CONSUMER.DELETE.finance.order_payment_taken", "$JS.API.CONSUMER.LIST.finance",
		"$JS.API.CONSUMER.INFO.order.finance_order_placed", "$JS.API.CONSUMER.MSG.NEXT.order.finance_order_placed",
		"$JS.ACK.order.finance_order_placed.1.1.1.1.0", "$JS.ACK.finance.other.1.1.1.1.0",
		"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.order.finance_order_placed", "_INBOX.finance.x", "_INBOX.order.x", "$SYS.REQ.SERVER.PING", "$SRV.PING",
	} {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		denied.want(t, subject)
	}
	for _, subject := range []string{"event.>", ">", "event.payment.taken", "event.order.placed", "_INBOX.>", "_INBOX.finance.>", "$JS.>", "$SYS.>", "plat.>", "*.order.>"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		denied.want(t, subject)
	}
	var seen []string
	for _, v := range srv.Violations() {
		if v.Service != "order" || v.Count != 1 || v.Last.IsZero() {
			t.Errorf("violation %+v", v)
		}
		seen = append(seen, v.Action+" "+v.Subject)
	}
	for _, want := range []string{"publish event.payment.taken", "subscribe event.>"} {
		if !strings.Contains(strings.Join(seen, "\n"), want) {
			t.Errorf("%q is not among the violations %q", want, seen)
		}
	}
}

func TestAnUndeclaredPublishFailsAtOnce(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	denied := make(denials, 16)
	js := stream(t, client(t, srv, "finance", denied.option()))
	done := make(chan struct{})
	stop, cancel := context.WithCancel(ctx(t))
	go func() {
		defer close(done)
		_, _ = js.Publish(stop, "event.order.placed", nil)
	}()
	denied.want(t, "event.order.placed")
	cancel()
	<-done
}

func TestGrantsChangeLive(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	denied := make(denials, 16)
	reconnected := make(chan struct{}, 4)
	nc := client(t, srv, "order", denied.option(), natsgo.ReconnectHandler(func(*natsgo.Conn) { reconnected <- struct{}{} }))
	js := stream(t, nc)
	_, consumers, grants := system()
	publish := func(subject string) error {
		c, cancel := context.WithTimeout(ctx(t), patience/2)
		defer cancel()
		_, err := js.Publish(c, subject, []byte("x"))
		return err
	}
	if err := publish("event.order.placed"); err != nil {
		t.Fatal(err)
	}

	// More: at once, on the same connection.
	grants[1].Publish = []string{"order.placed", "payment.taken"}
	if err := srv.SetGrants(grants); err != nil {
		t.Fatal(err)
	}
	if err := publish("event.payment.taken"); err != nil {
		t.Errorf("a new permission is not there: %v", err)
	}

	// Less: at once, on the same connection.
	grants[1].Publish = []string{"order.placed"}
	if err := srv.SetGrants(grants); err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("event.payment.taken", nil); err != nil {
		t.Fatal(err)
	}
	denied.want(t, "event.payment.taken")
	if len(reconnected) != 0 {
		t.Error("a changed permission to publish closed the connection")
	}

	// A lost subscription: what was asked for does not arrive any more.
	consumer, err := js.Consumer(ctx(t), "finance", "order_payment_taken")
	if err != nil {
		t.Fatal(err)
	}
	grants[1].Consumers = nil
	if err := srv.SetGrants(grants); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reconnected:
	case <-time.After(patience):
		t.Fatal("the connection was not closed")
	}
	if m, err := consumer.Next(jetstream.FetchMaxWait(200 * time.Millisecond)); err == nil {
		t.Errorf("the lost subscription delivered %q", m.Subject())
	}

	// Nothing: not let in any more, and its password is of no use.
	address := srv.URL("order")
	if err := srv.SetGrants(grants[:1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection is closed", func() bool { return !nc.IsConnected() })
	if _, err := natsgo.Connect(address, natsgo.Timeout(patience)); !errors.Is(err, natsgo.ErrAuthorization) {
		t.Errorf("a service without a grant connects: %v", err)
	}
	// And back, with the same password.
	if err := srv.SetGrants([]plan.Grant{{Service: "order", Consumers: consumers[1:]}}); err != nil {
		t.Fatal(err)
	}
	if srv.URL("order") != address {
		t.Error("the password changed")
	}
	eventually(t, "the service is back", nc.IsConnected)
}

func TestASubscriberAloneMayPublishNothing(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	if err := srv.SetGrants([]plan.Grant{{Service: "idle"}}); err != nil {
		t.Fatal(err)
	}
	denied := make(denials, 16)
	nc := client(t, srv, "idle", denied.option())
	if err := nc.Publish("event.order.placed", nil); err != nil {
		t.Fatal(err)
	}
	denied.want(t, "event.order.placed")
}

func TestPlatsOwnUserIsNotReachable(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	for _, user := range []string{"_plat", "", "order"} {
		for _, password := range []string{"", " ", "x"} {
			if nc, err := natsgo.Connect("nats://"+srv.Addr(), natsgo.UserInfo(user, password)); err == nil {
				nc.Close()
				t.Errorf("user %q with password %q is let in", user, password)
			}
		}
	}
	if nc, err := natsgo.Connect("nats://" + srv.Addr()); err == nil {
		nc.Close()
		t.Error("no user at all is let in")
	}
}

// A service chooses where the answer to its request goes. It could have it
// sent to an event's subject; what arrives there must not be a valid event of
// that type, which is why consumers verify type and source.
func TestAnAnswerSentToAnotherSubjectIsNoEvent(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	order, finance := client(t, srv, "order"), client(t, srv, "finance")
	if _, err := stream(t, order).PublishMsg(ctx(t), placed("a")); err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{"$JS.API.CONSUMER.INFO.order.finance_order_placed", "$JS.API.CONSUMER.MSG.NEXT.order.finance_order_placed"} {
		if err := finance.PublishRequest(request, "event.payment.taken", []byte("1")); err != nil {
			t.Fatal(err)
		}
		if err := finance.PublishRequest(request, "event.order.placed", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := finance.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream(t, finance).Publish(ctx(t), "event.payment.taken", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"order", "finance"} {
		for seq := uint64(1); ; seq++ {
			m, err := srv.Read(ctx(t), name, seq)
			if errors.Is(err, event.ErrNotFound) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %d: %s %v", name, seq, m.Subject, m.Header)
			e, err := event.FromMessage(m.Subject, m.Header, m.Data)
			if err == nil && (e.ID != "a" || e.Type != "order.placed") {
				t.Errorf("%s %d is a valid event: %+v", name, seq, e)
			}
		}
	}
}

package cloudevents_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/fault"
)

func FuzzParse(f *testing.F) {
	const object = `{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","time":"2026-01-02T03:04:05Z","n":1,"b":true,"x":null,"data":{"a":[1]}}`
	f.Add("application/cloudevents+json", "", "", "", []byte(object))
	f.Add("application/cloudevents-batch+json; charset=utf-8", "", "", "", []byte("["+object+","+object+"]"))
	f.Add("application/cloudevents+json", "", "", "", []byte(`{"specversion":"1.0","id":"\u0000","source":"%","type":"a","datacontenttype":"text/plain","data":"\ud800"}`))
	f.Add("application/cloudevents+json", "", "", "", []byte(`{"data_base64":"AA==","datacontenttype":"x"}`))
	f.Add("application/json", "1", "subject", "gr%C3%B6%C3%9Fe", []byte(`{}`))
	f.Add("text/plain", `"a\"b"`, "time", "2026-01-02T03:04:05+23:59", []byte("x"))
	f.Add("", "%zz", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []byte(nil))
	f.Fuzz(func(t *testing.T, contentType, id, name, value string, body []byte) {
		h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Type": {"order.placed"}, "Ce-Source": {"/a"}, "Ce-Id": {id}, "Ce-" + name: {value}}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		events, batch, err := cloudevents.Parse(h, body)
		if err != nil {
			for _, f := range fault.All(err) {
				if f.Code != fault.EventInvalid && f.Code != fault.EventMediaType && f.Code != fault.EventTooLarge {
					t.Fatalf("code %s: %v", f.Code, err)
				}
			}
			return
		}
		if !batch && len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		for _, e := range events {
			if e.Validate() != nil {
				continue
			}
			// What is accepted survives the broker's wire, and cannot break out
			// of a header.
			m := e.Message()
			for name, values := range m.Header {
				if name != "Nats-Msg-Id" && strings.ContainsAny(name+values[0], "\r\n\x00") {
					t.Fatalf("header %q: %q", name, values)
				}
			}
			again, err := event.FromMessage(m.Subject, m.Header, m.Data)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

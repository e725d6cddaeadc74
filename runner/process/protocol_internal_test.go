package process

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// The wire is not exported, so its tests are inside.

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"do":"launch","run":1,"argv":["/bin/true"]}` + "\n" + `{"do":"stop","run":1}` + "\n"))
	f.Add([]byte("{}\nnot a message\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := newReader(bytes.NewReader(wire))
		for range 1 + bytes.Count(wire, []byte("\n")) {
			m, err := in.next()
			if err != nil {
				return
			}
			again, err := encode(m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := newReader(bytes.NewReader(again)).next()
			if err != nil || !reflect.DeepEqual(plainer(m), plainer(back)) {
				t.Fatalf("%+v came back as %+v, %v", m, back, err)
			}
		}
		if _, err := in.next(); err == nil {
			t.Fatal("more messages than lines")
		}
	})
}

// plainer drops the difference between no list and an empty one, which the
// wire does not carry.
func plainer(m message) message {
	for _, list := range []*[]string{&m.Argv, &m.Env, &m.Lines} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return m
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxMessage)
	if _, err := encode(message{Do: "note", Text: long}); err == nil {
		t.Error("an overlong message is sent")
	}
	_, err := newReader(strings.NewReader(long + long + "\n")).next()
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an overlong message is read: %v", err)
	}
}

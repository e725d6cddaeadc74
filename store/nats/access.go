package nats

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

const (
	stateFile    = "access.json"
	stateVersion = 1
	adminUser    = "_plat" // no service can be called so
)

// state is what must outlive plat, since services do: the port and each
// service's password. The grants are kept too, so that a service may come back
// before plat has read its plan.
type state struct {
	Version int              `json:"version"`
	Port    int              `json:"port"`
	Users   map[string]*user `json:"users"`
}

type user struct {
	Password string      `json:"password"`
	Grant    *plan.Grant `json:"grant,omitempty"` // nil: the plan gives it none any more
}

// access decides who may connect and what they may do.
type access struct {
	path  string
	admin string

	mu     sync.Mutex
	state  state
	engine *server.Server
	live   map[uint64]string // connection → service; dead ones are pruned
}

// openAccess reads the state file, or begins a new one.
func openAccess(path, admin string) (*access, error) {
	a := &access{path: path, admin: admin, live: map[uint64]string{}, state: state{Version: stateVersion, Users: map[string]*user{}}}
	data, err := os.ReadFile(path) // #nosec G304 -- in the caller's folder
	if errors.Is(err, os.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, unfit(path, err)
	}
	var read state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&read); err != nil || read.Version != stateVersion || read.Port < 0 || read.Port > 65535 {
		return nil, fault.New(fault.EventStoreUnfit, "the state of the event store cannot be read").At(path, 0, 0).
			Why("it is torn, or of another version of plat").
			Fix("move this file away: services get new passwords when they are restarted, and no event is lost").Because(err)
	}
	for name, u := range read.Users {
		if u == nil || u.Password == "" {
			delete(read.Users, name)
		}
	}
	if read.Users == nil {
		read.Users = map[string]*user{}
	}
	a.state = read
	return a, nil
}

// SetGrants makes these the only permissions, at once and for connected
// services too. A service keeps its password as long as its name is known. A
// connection that loses a subscription is closed, so that nothing it has asked
// for still arrives. The fault is event-store-unfit, when the passwords cannot
// be kept.
func (s *Server) SetGrants(grants []plan.Grant) error { return s.access.set(grants) }

// URL is where and as whom a service connects. It holds the password: it
// belongs into the private environment of the service's process alone. It is
// empty for a service without a grant.
func (s *Server) URL(service string) string {
	s.access.mu.Lock()
	defer s.access.mu.Unlock()
	u := s.access.state.Users[service]
	if u == nil || u.Grant == nil {
		return ""
	}
	return (&url.URL{Scheme: "nats", User: url.UserPassword(service, u.Password), Host: net.JoinHostPort(loopback, strconv.Itoa(s.access.state.Port))}).String()
}

func (a *access) set(grants []plan.Grant) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := map[string]*plan.Grant{}
	for name, u := range a.state.Users {
		old[name] = u.Grant
		u.Grant = nil
	}
	for _, g := range grants {
		u := a.state.Users[g.Service]
		if u == nil {
			u = &user{Password: newPassword()}
			a.state.Users[g.Service] = u
		}
		u.Grant = &g
	}
	// What is decided holds even if it cannot be written.
	a.enforce(old)
	return a.save()
}

// enforce brings the connected services to their new grants.
func (a *access) enforce(old map[string]*plan.Grant) {
	if a.engine == nil {
		return
	}
	for id, service := range a.live {
		client := a.engine.GetClient(id)
		if client == nil {
			delete(a.live, id)
			continue
		}
		u := a.state.Users[service]
		if u != nil && reflect.DeepEqual(old[service], u.Grant) {
			continue
		}
		if u == nil || u.Grant == nil || lostConsumer(old[service], u.Grant) {
			_ = a.engine.DisconnectClientByID(id) // gone already otherwise
			delete(a.live, id)
			continue
		}
		client.RegisterUser(natsUser(u.Grant))
	}
}

func lostConsumer(before, after *plan.Grant) bool {
	return before != nil && slices.ContainsFunc(before.Consumers, func(c plan.Consumer) bool {
		return !slices.ContainsFunc(after.Consumers, func(d plan.Consumer) bool { return d.Stream == c.Stream && d.Name == c.Name })
	})
}

// Check is called by the engine for each connection.
func (a *access) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == adminUser {
		addr := c.RemoteAddress()
		if addr == nil || addr.Network() != "pipe" || !equal(o.Password, a.admin) {
			return false
		}
		c.RegisterUser(&server.User{Username: adminUser})
		return true
	}
	if c.Kind() != server.CLIENT {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.state.Users[o.Username]
	if u == nil || u.Grant == nil || !equal(o.Password, u.Password) {
		return false
	}
	c.RegisterUser(natsUser(u.Grant))
	if a.engine != nil && len(a.live) >= 64 {
		for id := range a.live {
			if a.engine.GetClient(id) == nil {
				delete(a.live, id)
			}
		}
	}
	a.live[c.GetID()] = o.Username
	return true
}

// natsUser is a grant in the engine's words: exactly what a service needs.
func natsUser(g *plan.Grant) *server.User {
	publish := []string{}
	for _, event := range g.Publish {
		publish = append(publish, "event."+event)
	}
	for _, c := range g.Consumers {
		publish = append(publish,
			fmt.Sprintf("$JS.API.CONSUMER.INFO.%s.%s", c.Stream, c.Name),
			fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", c.Stream, c.Name),
			fmt.Sprintf("$JS.ACK.%s.%s.>", c.Stream, c.Name))
	}
	// INVARIANT: an empty list of what is allowed would allow everything.
	deny := []string{}
	if len(publish) == 0 {
		deny = []string{">"}
	}
	return &server.User{Username: g.Service, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish, Deny: deny},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX." + g.Service + ".>"}},
	}}
}

// attach tells which engine's connections are meant from now on.
func (a *access) attach(engine *server.Server) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.engine, a.live = engine, map[uint64]string{}
}

// name tells whose connection an ID is; empty if unknown.
func (a *access) name(id uint64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live[id]
}

func (a *access) port() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.Port
}

func (a *access) setPort(port int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Port == port {
		return nil
	}
	a.state.Port = port
	return a.save()
}

// save needs a.mu.
func (a *access) save() error {
	data, err := json.MarshalIndent(a.state, "", "  ")
	if err != nil {
		return unfit(a.path, err)
	}
	if err := writeFile(a.path, data); err != nil {
		return unfit(a.path, err)
	}
	return nil
}

// writeFile replaces a file whole: after a crash there is the old or the new.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweep removes what a crash left of writeFile.
func sweep(dir string) {
	for _, name := range []string{stateFile, watermarkFile} {
		left, _ := filepath.Glob(filepath.Join(dir, "."+name+"-*"))
		for _, path := range left {
			_ = os.Remove(path) // the next time will do
		}
	}
}

func equal(a, b string) bool {
	return strings.TrimSpace(b) != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

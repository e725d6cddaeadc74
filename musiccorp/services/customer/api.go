package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/plat-dev/plat/kit/message"
)

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type customer struct {
	Links      links     `json:"_links"`
	ID         string    `json:"id" format:"uuid"`
	Name       string    `json:"name"`
	Email      string    `json:"email" format:"email"`
	Registered time.Time `json:"registered"`
}

// api answers for the customers over HTTP.
type api struct{ store *Store }

// newAPI registers the operations on mux and returns their description.
func newAPI(mux *http.ServeMux, log *slog.Logger, store *Store) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp customer", "1.0.0")
	config.Info.Description = "Who MusicCorp's customers are."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(log)}
	h := humago.New(mux, config)

	a := api{store}
	huma.Register(h, huma.Operation{
		OperationID: "register-customer", Method: http.MethodPost, Path: "/api/customers", Summary: "Register a customer",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: 16 << 10, Errors: []int{http.StatusBadRequest, http.StatusConflict},
	}, a.register)
	huma.Register(h, huma.Operation{
		OperationID: "get-customer", Method: http.MethodGet, Path: "/api/customers/{id}", Summary: "Get a customer",
		Errors: []int{http.StatusNotFound},
	}, a.get)
	describeProblems(h.OpenAPI())
	return h.OpenAPI()
}

type newCustomer struct {
	Name  string `json:"name" minLength:"1" maxLength:"200" example:"Ada Example"`
	Email string `json:"email" maxLength:"254" format:"email" example:"ada@example.com"`
}

// Resolve checks what the schema cannot say.
func (c *newCustomer) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	c.Name, c.Email = strings.TrimSpace(c.Name), strings.TrimSpace(c.Email)
	var mistakes []error
	if c.Name == "" || strings.ContainsFunc(c.Name, unicode.IsControl) {
		mistakes = append(mistakes, &huma.ErrorDetail{Location: at.With("name"), Message: "expected a name without control characters", Value: c.Name})
	}
	if !plausible(c.Email) {
		mistakes = append(mistakes, &huma.ErrorDetail{Location: at.With("email"), Message: "expected an e-mail address such as ada@example.com", Value: c.Email})
	}
	return mistakes
}

// plausible tells whether mail to the address could arrive: a bare address
// at a domain with a dot.
func plausible(email string) bool {
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email {
		return false
	}
	_, domain, _ := strings.Cut(email, "@")
	return strings.Contains(strings.Trim(domain, "."), ".")
}

type registerInput struct{ Body newCustomer }

type registerOutput struct {
	Location string `header:"Location"`
	Body     customer
}

func (a api) register(ctx context.Context, in *registerInput) (*registerOutput, error) {
	c, err := a.store.Register(ctx, in.Body.Name, in.Body.Email)
	if errors.Is(err, errEmailTaken) {
		return nil, huma.Error409Conflict("a customer with this e-mail address is registered already")
	}
	if errors.Is(err, message.ErrOutboxFull) {
		return nil, huma.Error503ServiceUnavailable("no customers can be registered now; try again later", err)
	}
	if err != nil {
		return nil, err
	}
	return &registerOutput{Location: href(c), Body: represent(c)}, nil
}

type getInput struct {
	ID string `path:"id" maxLength:"36"`
}

type getOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         customer
}

func (a api) get(ctx context.Context, in *getInput) (*getOutput, error) {
	c, err := a.store.Customer(ctx, in.ID)
	if errors.Is(err, errNoCustomer) {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no customer %q", in.ID))
	}
	if err != nil {
		return nil, err
	}
	return &getOutput{CacheControl: "private, no-cache", Body: represent(c)}, nil
}

func href(c Customer) string { return "/api/customers/" + c.ID }

func represent(c Customer) customer {
	return customer{Links: links{"self": {href(c)}}, ID: c.ID, Name: c.Name, Email: c.Email, Registered: c.Registered}
}

package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/plat-dev/plat/kit"
)

// basketLine is an album in the basket as its page shows it.
type basketLine struct {
	Album     album
	Quantity  int
	Gone      bool // it is not sold any more
	Known     bool // the warehouse says how many it has
	Available int64
}

// Total is what the line costs.
func (l basketLine) Total() money { return l.Album.Price.times(l.Quantity) }

// priced is a basket with what the catalog and the warehouse say about it.
type priced struct {
	Lines []basketLine
	Total money
	Gone  bool // at least one line is
	Max   int
}

// price asks the catalog about every album of the basket at once, and the
// warehouse, whose answer is welcome but not needed.
func (s *site) price(r *http.Request, b basket) (priced, error) {
	p := priced{Lines: make([]basketLine, len(b)), Max: maxQuantity}
	skus := make([]string, len(b))
	for i, l := range b {
		skus[i] = l.SKU
	}
	var (
		found map[string]album
		err   error
		shelf stock
		asked sync.WaitGroup
	)
	asked.Go(func() { shelf = s.shelf(r, skus...) })
	asked.Go(func() { found, err = s.albumsOf(r.Context(), skus) })
	asked.Wait()
	if err != nil {
		return priced{}, unanswered(err)
	}
	for i, l := range b {
		line := &p.Lines[i]
		line.Quantity, line.Known, line.Available = l.Quantity, shelf.knows(l.SKU), shelf.available[l.SKU]
		if a, sold := found[l.SKU]; sold {
			line.Album = a
			p.Total = p.Total.plus(line.Total())
		} else {
			line.Album, line.Gone, p.Gone = album{SKU: l.SKU, Title: l.SKU}, true, true
		}
	}
	return p, nil
}

func (s *site) basket(w http.ResponseWriter, r *http.Request) error {
	p, err := s.price(r, basketOf(r))
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "basket.html", "Your basket", p)
}

// changeBasket adds copies of an album, or sets how many there are.
func (s *site) changeBasket(w http.ResponseWriter, r *http.Request) error {
	b, sku := basketOf(r), r.PostFormValue("sku")
	quantity := 0
	if r.PostFormValue("do") != "remove" {
		var err error
		if quantity, err = strconv.Atoi(r.PostFormValue("quantity")); err != nil || quantity < 0 {
			return &failure{status: http.StatusUnprocessableEntity, Title: "How many?", Text: "Please give the quantity as a number.", cause: err}
		}
	}
	if r.PostFormValue("do") == "add" {
		quantity = min(quantity, maxQuantity) + b.quantity(sku)
	}
	b, ok := b.with(sku, quantity)
	if !ok {
		return &failure{status: http.StatusUnprocessableEntity, Title: "That does not fit", Text: "A basket holds " + strconv.Itoa(maxLines) + " different albums at most."}
	}
	setBasket(w, r, b)
	http.Redirect(w, r, "/basket", http.StatusSeeOther)
	return nil
}

// registering is the registration form with its mistakes.
type registering struct {
	Name, Email           string
	WrongName, WrongEmail string
	Next                  string
}

// next is where the visitor wants to go after registering. It is none but
// our own page: a link from elsewhere cannot send visitors away.
func next(r *http.Request) string {
	if r.FormValue("next") == "/checkout" {
		return "/checkout"
	}
	return "/?welcome"
}

func (s *site) registration(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, r, http.StatusOK, "register.html", "Register", registering{Next: next(r)})
}

func (s *site) register(w http.ResponseWriter, r *http.Request) error {
	form := registering{Name: strings.TrimSpace(r.PostFormValue("name")), Email: strings.TrimSpace(r.PostFormValue("email")), Next: next(r)}
	c, err := s.newCustomer(r.Context(), form.Name, form.Email)
	switch kit.StatusOf(err) {
	case http.StatusConflict:
		form.WrongEmail = "Somebody has registered with this address already."
		return s.show(w, r, http.StatusConflict, "register.html", "Register", form)
	case http.StatusUnprocessableEntity:
		form.mark(err)
		return s.show(w, r, http.StatusUnprocessableEntity, "register.html", "Register", form)
	}
	if err != nil {
		return unanswered(err)
	}
	s.signer.setCustomer(w, r, c.ID)
	http.Redirect(w, r, form.Next, http.StatusSeeOther)
	return nil
}

// mark says at each field what customer found wrong with it.
func (f *registering) mark(err error) {
	problem, ok := errors.AsType[*kit.Problem](err)
	if !ok {
		return
	}
	for _, e := range problem.Errors {
		switch e.Location {
		case "body.name":
			f.WrongName = "Please give a name of at most 200 characters."
		case "body.email":
			f.WrongEmail = "Please give an e-mail address such as ada@example.com."
		}
	}
}

var keyPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`) // as rand.Text makes them

// checkout shows what would be bought, by whom. The form carries the key
// that keeps an order sent twice from being placed twice.
func (s *site) checkout(w http.ResponseWriter, r *http.Request) error {
	b, id := basketOf(r), s.signer.customerID(r)
	if len(b) == 0 {
		http.Redirect(w, r, "/basket", http.StatusSeeOther)
		return nil
	}
	if id == "" {
		http.Redirect(w, r, "/register?next=/checkout", http.StatusSeeOther)
		return nil
	}
	var (
		p              priced
		c              customer
		errPrice, errC error
		asked          sync.WaitGroup
	)
	asked.Go(func() { p, errPrice = s.price(r, b) })
	asked.Go(func() { c, errC = s.customerOf(r.Context(), id) })
	asked.Wait()
	switch {
	case kit.StatusOf(errC) == http.StatusNotFound: // the cookie outlived the customer
		setCookie(w, r, "customer", "")
		http.Redirect(w, r, "/register?next=/checkout", http.StatusSeeOther)
		return nil
	case errC != nil:
		return unanswered(errC)
	case errPrice != nil:
		return errPrice
	case p.Gone:
		http.Redirect(w, r, "/basket", http.StatusSeeOther)
		return nil
	}
	return s.show(w, r, http.StatusOK, "checkout.html", "Checkout", struct {
		priced
		Customer customer
		Key      string
	}{p, c, rand.Text()})
}

// buy places the order.
func (s *site) buy(w http.ResponseWriter, r *http.Request) error {
	b, id, key := basketOf(r), s.signer.customerID(r), r.PostFormValue("key")
	if len(b) == 0 || id == "" || !keyPattern.MatchString(key) {
		http.Redirect(w, r, "/checkout", http.StatusSeeOther)
		return nil
	}
	o, err := s.place(r.Context(), key, id, b)
	if kit.StatusOf(err) == http.StatusUnprocessableEntity {
		return &failure{status: http.StatusUnprocessableEntity, Title: "This order cannot be placed", Text: "Your basket may have changed since you looked at it. Please go through it once more.", cause: err}
	}
	if err != nil {
		return unanswered(err)
	}
	setBasket(w, r, nil)
	http.Redirect(w, r, "/orders/"+o.ID, http.StatusSeeOther)
	return nil
}

func (s *site) orders(w http.ResponseWriter, r *http.Request) error {
	id := s.signer.customerID(r)
	if id == "" {
		http.Redirect(w, r, "/register", http.StatusSeeOther)
		return nil
	}
	var (
		list       []order
		points     int64
		err, noted error
		asked      sync.WaitGroup
	)
	asked.Go(func() { list, err = s.ordersOf(r.Context(), id) })
	asked.Go(func() { points, noted = s.pointsOf(r.Context(), id) })
	asked.Wait()
	if err != nil {
		return unanswered(err)
	}
	if noted != nil {
		s.log.WarnContext(r.Context(), "page without points", "path", r.URL.Path, "error", noted.Error())
	}
	return s.show(w, r, http.StatusOK, "orders.html", "Your orders", struct {
		Orders []order
		Points int64
		Noted  bool // loyalty has said how many
	}{list, points, noted == nil})
}

// step is one stage of an order's way.
type step struct {
	Name    string
	Done    bool
	Current bool
}

// order shows how far an order is. The page follows it by itself until the
// visitor pauses that or the order goes on no more.
func (s *site) order(w http.ResponseWriter, r *http.Request) error {
	o, err := s.orderOf(r.Context(), r.PathValue("id"))
	switch status := kit.StatusOf(err); {
	case status == http.StatusNotFound || status == http.StatusUnprocessableEntity:
		return notFound(err)
	case err != nil:
		return unanswered(err)
	case o.Customer != s.signer.customerID(r):
		return notFound(nil) // whose order it is stays between us and its customer
	}
	follows := !o.Final() && !r.URL.Query().Has("pause")
	if follows {
		w.Header().Set("Refresh", "2")
	}
	way := []string{"placed", "paid", "dispatched"}
	if o.Status == "cancelled" {
		way = []string{"placed", "cancelled"}
	}
	steps := make([]step, 0, len(way))
	at := slices.Index(way, o.Status)
	for i, name := range way {
		steps = append(steps, step{name, i <= at, i == at})
	}
	return s.show(w, r, http.StatusOK, "order.html", "Order "+o.Short(), struct {
		order
		Steps   []step
		Follows bool
	}{o, steps, follows})
}

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxLines    = 20 // different albums in a basket
	maxQuantity = 10 // copies of one album
	cookieAge   = 30 * 24 * time.Hour
)

var skuPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,20}$`)

// basket is what somebody wants to buy: at most maxLines albums, each once.
type basket []line

type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// parseBasket reads what String wrote. What makes no sense is left out: the
// cookie is the visitor's to change.
func parseBasket(text string) basket {
	var b basket
	for part := range strings.SplitSeq(text, ".") {
		sku, number, _ := strings.Cut(part, "*")
		if quantity, err := strconv.Atoi(number); err == nil && b.quantity(sku) == 0 {
			b, _ = b.with(sku, quantity)
		}
	}
	return b
}

// String is the basket as text that fits a cookie.
func (b basket) String() string {
	parts := make([]string, 0, len(b))
	for _, l := range b {
		parts = append(parts, l.SKU+"*"+strconv.Itoa(l.Quantity))
	}
	return strings.Join(parts, ".")
}

// quantity is how many copies of an album are in the basket.
func (b basket) quantity(sku string) int {
	for _, l := range b {
		if l.SKU == sku {
			return l.Quantity
		}
	}
	return 0
}

// count is how many copies are in the basket in all.
func (b basket) count() int {
	n := 0
	for _, l := range b {
		n += l.Quantity
	}
	return n
}

// with is the basket with this quantity of the album, maxQuantity at most;
// none removes it. It is not ok if the basket is full or the SKU is none.
func (b basket) with(sku string, quantity int) (changed basket, ok bool) {
	if !skuPattern.MatchString(sku) {
		return b, false
	}
	quantity = min(quantity, maxQuantity)
	found := false
	for _, l := range b {
		if l.SKU == sku {
			found = true
			l.Quantity = quantity
		}
		if l.Quantity > 0 {
			changed = append(changed, l)
		}
	}
	if !found && quantity > 0 {
		if len(b) == maxLines {
			return b, false
		}
		changed = append(changed, line{sku, quantity})
	}
	return changed, true
}

// basketOf is the basket that the visitor carries.
func basketOf(r *http.Request) basket {
	c, err := r.Cookie("basket")
	if err != nil {
		return nil
	}
	return parseBasket(c.Value)
}

func setBasket(w http.ResponseWriter, r *http.Request, b basket) {
	setCookie(w, r, "basket", b.String())
}

// signer signs who the visitor is, so that nobody can say to be another.
type signer []byte

// customerID is the customer that the visitor registered as, empty if none.
func (s signer) customerID(r *http.Request) string {
	c, err := r.Cookie("customer")
	if err != nil {
		return ""
	}
	id, mac, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(s.mac(id))) {
		return ""
	}
	return id
}

func (s signer) setCustomer(w http.ResponseWriter, r *http.Request, id string) {
	setCookie(w, r, "customer", id+"."+s.mac(id))
}

func (s signer) mac(id string) string {
	h := hmac.New(sha256.New, s)
	h.Write([]byte("customer:" + id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// setCookie sets a cookie; an empty value removes it.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string) {
	age := int(cookieAge.Seconds())
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the visitor came by TLS
		Name: name, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.Header.Get("X-Forwarded-Proto") == "https", // there is none on a developer's machine
	})
}

package main

import (
	"crypto/sha256"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// svg is the media type of a cover.
const svg = "image/svg+xml"

// palette is the colours of a cover: the ground, two for shapes and one for
// the band under the title, on which white text is readable.
type palette struct{ ground, near, far, band string }

// drawCover draws the cover of an album as a square SVG. The same album
// always gets the same picture: its SKU is the only source of chance.
func drawCover(a Album) []byte {
	chance := sha256.Sum256([]byte(a.SKU))
	palettes := []palette{
		{"#f4d8b8", "#e4572e", "#17bebb", "#2e282a"}, {"#14213d", "#fca311", "#e5e5e5", "#0b1426"},
		{"#ffcdb2", "#b5838d", "#6d6875", "#3f3b46"}, {"#e9f5db", "#87986a", "#b5c99a", "#3a4a2c"},
		{"#2b2d42", "#ef233c", "#8d99ae", "#1a1b2a"}, {"#fefae0", "#dda15e", "#606c38", "#283618"},
		{"#cdb4db", "#ffafcc", "#a2d2ff", "#4a3358"}, {"#03045e", "#00b4d8", "#90e0ef", "#020230"},
		{"#f8edeb", "#f08080", "#457b9d", "#1d3557"}, {"#264653", "#e9c46a", "#2a9d8f", "#15292f"},
	}
	motifs := []func(p palette, chance []byte) string{rings, sunset, tiles, waves, dots, peaks}
	p := palettes[int(chance[0])%len(palettes)]
	motif := motifs[int(chance[1])%len(motifs)]

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 600" role="img" aria-label="%s">`, html.EscapeString(a.Title+" by "+a.Artist))
	fmt.Fprintf(&b, `<rect width="600" height="600" fill="%s"/>`, p.ground)
	b.WriteString(motif(p, chance[2:]))
	title := wrap(a.Title, 24)
	top := 600 - 78 - 44*len(title)
	fmt.Fprintf(&b, `<rect y="%d" width="600" height="%d" fill="%s"/>`, top, 600-top, p.band)
	b.WriteString(`<g fill="#fff" font-family="system-ui,sans-serif">`)
	for i, line := range title {
		fmt.Fprintf(&b, `<text x="32" y="%d" font-size="38" font-weight="700">%s</text>`, top+52+44*i, html.EscapeString(line))
	}
	fmt.Fprintf(&b, `<text x="32" y="572" font-size="26" fill-opacity=".8">%s</text></g></svg>`, html.EscapeString(a.Artist))
	return []byte(b.String())
}

// wrap breaks text into at most three lines of about width characters.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last+" "+word) <= width || len(lines) == 3:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

func rings(p palette, chance []byte) string {
	var b strings.Builder
	x, y := 150+int(chance[0]), 120+int(chance[1])/2
	for i := range 7 {
		fill := []string{p.near, p.ground, p.far, p.ground}[i%4]
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, x, y, 290-42*i, fill)
	}
	return b.String()
}

func sunset(p palette, chance []byte) string {
	var b strings.Builder
	x, r := 200+int(chance[0])*200/255, 150+int(chance[1])/5
	fmt.Fprintf(&b, `<circle cx="%d" cy="250" r="%d" fill="%s"/>`, x, r, p.near)
	for i := range 6 {
		fmt.Fprintf(&b, `<rect y="%d" width="600" height="%d" fill="%s"/>`, 235+34*i, 6+4*i, p.ground)
	}
	fmt.Fprintf(&b, `<circle cx="%d" cy="90" r="34" fill="%s"/>`, (x+300)%520+40, p.far)
	return b.String()
}

func tiles(p palette, chance []byte) string {
	var b strings.Builder
	for i := range 16 {
		x, y := i%4*150, i/4*150
		switch c := chance[i]; c % 5 {
		case 0:
			fmt.Fprintf(&b, `<path d="M%d %dh150a150 150 0 0 1-150 150z" fill="%s"/>`, x, y, p.near)
		case 1:
			fmt.Fprintf(&b, `<path d="M%d %dv-150a150 150 0 0 0-150 150z" fill="%s"/>`, x+150, y+150, p.far)
		case 2:
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="75" fill="%s"/>`, x+75, y+75, p.near)
		case 3:
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="150" height="150" fill="%s"/>`, x, y, p.far)
		}
	}
	return b.String()
}

func waves(p palette, chance []byte) string {
	var b strings.Builder
	for i := range 8 {
		y, bend := 60+70*i, 30+int(chance[i])/4
		fill := []string{p.near, p.far, p.ground}[i%3]
		fmt.Fprintf(&b, `<path d="M0 %d q150 %d 300 0t300 0V600H0z" fill="%s"/>`, y, bend*(1-i%2*2), fill)
	}
	return b.String()
}

func dots(p palette, chance []byte) string {
	var b strings.Builder
	for i := range 36 {
		r := 8 + (int(chance[i%len(chance)])+37*i)%36
		fill := []string{p.near, p.far}[(i+int(chance[i%7]))%2]
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, 50+i%6*100, 50+i/6*100, r, fill)
	}
	return b.String()
}

func peaks(p palette, chance []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<circle cx="%d" cy="130" r="62" fill="%s"/>`, 100+int(chance[0])*400/255, p.near)
	for i := range 5 {
		x, top := i*150-60+int(chance[i+1])/3, 170+int(chance[i+6])
		fill := []string{p.far, p.near}[i%2]
		fmt.Fprintf(&b, `<path d="M%d %dl260 420h-520z" fill="%s" fill-opacity=".85"/>`, x, top, fill)
	}
	return b.String()
}

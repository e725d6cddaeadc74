package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sample is what one round showed.
type sample struct {
	rate     float64 // requests a second
	cpu      float64 // µs of the proxy a request
	p50, p99 time.Duration
	longest  time.Duration
}

// request is about what a browser sends.
const request = "GET /api/albums?query=blue&page=2 HTTP/1.1\r\n" +
	"Host: shop.example:8000\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: application/json, text/plain, */*\r\n" +
	"Accept-Language: en-GB,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: http://shop.example:8000/albums\r\n" +
	"Cookie: session=0f8fad5bd9cb469fa16570867728950e; theme=dark\r\n" +
	"Sec-Fetch-Mode: cors\r\n\r\n"

// measure puts a round of load on a proxy.
func measure(ctx context.Context, p *process, connections, requests, size int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	before, err := p.cpu()
	if err != nil {
		return sample{}, err
	}
	var left atomic.Int64
	left.Store(int64(requests))
	times := make([][]time.Duration, connections)
	errs := make([]error, connections)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { times[i], errs[i] = client(ctx, p.addr, &left, size) })
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return sample{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return sample{}, err
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	n := float64(len(all))
	return sample{
		rate: n / took.Seconds(), cpu: float64((after - before).Microseconds()) / n,
		p50: all[len(all)/2], p99: all[len(all)*99/100], longest: all[len(all)-1],
	}, nil
}

// client sends requests on one connection until none is left.
func client(ctx context.Context, addr string, left *atomic.Int64, size int) ([]time.Duration, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // only read from
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	br := bufio.NewReaderSize(c, 16<<10)
	var times []time.Duration
	for left.Add(-1) >= 0 && ctx.Err() == nil {
		start := time.Now()
		if _, err := io.WriteString(c, request); err != nil {
			return nil, err
		}
		if err := readAnswer(br, size); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, ctx.Err()
}

// readAnswer reads an answer of known length, and checks that it is one.
func readAnswer(br *bufio.Reader, size int) error {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", line)
	}
	length := -1
	for {
		if line, err = br.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return err
			}
		}
	}
	if length != size {
		return fmt.Errorf("answer of %d bytes, want %d", length, size)
	}
	_, err = br.Discard(length)
	return err
}

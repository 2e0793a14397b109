// SPDX-License-Identifier: MPL-2.0

// Package inorder does work on several processors whose results have an order.
package inorder

import "runtime"

// most is how many pieces of work of a Queue are under way at once: each may hold files
// open, of which a process may have few.
const most = 8

// A Queue does pieces of work concurrently, and takes their results one after the other.
// The zero value is ready. It is used from one goroutine, which calls Wait in the end,
// whatever has happened.
type Queue struct {
	waiting []task
	err     error
}

type task struct {
	done chan error
	then func(error) error
}

// Do starts work, always, and has then called with its error: by this or a later call of Do
// or Wait, in the goroutine of that call, in the order of the calls of Do. It returns the first
// error of a then, after which no then is called.
func (q *Queue) Do(work func() error, then func(error) error) error {
	t := task{make(chan error, 1), then}
	q.waiting = append(q.waiting, t)
	go func() { t.done <- work() }()
	if len(q.waiting) > min(runtime.GOMAXPROCS(0), most) {
		q.next()
	}
	return q.err
}

// Done takes the result of work that is done already, in its turn: after that of all work
// that was given to Do before. It returns what Do returns.
func (q *Queue) Done(err error, then func(error) error) error {
	if len(q.waiting) == 0 {
		q.take(err, then)
		return q.err
	}
	t := task{make(chan error, 1), then}
	t.done <- err
	q.waiting = append(q.waiting, t)
	if len(q.waiting) > min(runtime.GOMAXPROCS(0), most) {
		q.next()
	}
	return q.err
}

// Wait waits for all work that was started, and returns the first error of a then.
func (q *Queue) Wait() error {
	for len(q.waiting) > 0 {
		q.next()
	}
	return q.err
}

// next takes the oldest result.
func (q *Queue) next() {
	t := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.take(<-t.done, t.then)
}

// take takes a result.
func (q *Queue) take(err error, then func(error) error) {
	if q.err != nil {
		_ = then(q.err) // the first one counts
		return
	}
	q.err = then(err)
}

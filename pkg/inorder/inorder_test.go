// SPDX-License-Identifier: MPL-2.0

package inorder_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carosio/carosbuild/pkg/inorder"
)

// The later a piece of work was given, the sooner it is done; the results keep their order.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inorder.Queue
		var got []int
		if err := q.Done(nil, func(error) error { got = append(got, -1); return nil }); err != nil || len(got) != 1 {
			t.Errorf("work that was done: %v, %v", got, err)
		}
		var now, high atomic.Int32
		for i := range 50 {
			if i%7 == 3 {
				if err := q.Done(nil, func(error) error { got = append(got, i); return nil }); err != nil {
					t.Fatal(err)
				}
				continue
			}
			err := q.Do(func() error {
				if n := now.Add(1); n > high.Load() {
					high.Store(n)
				}
				time.Sleep(time.Duration(50-i) * time.Second)
				now.Add(-1)
				return nil
			}, func(err error) error {
				got = append(got, i)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(got) != 51 || !slices.IsSorted(got) {
			t.Errorf("order: %v", got)
		}
		if high.Load() > 9 {
			t.Errorf("%d pieces of work were under way at once", high.Load())
		}
	})
}

// After an error all other results are that error, and what was started is waited for.
func TestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var q inorder.Queue
		var started, ended atomic.Int32
		then := 0
		var err error
		for i := 0; i < 20 && err == nil; i++ {
			err = q.Do(func() error {
				started.Add(1)
				time.Sleep(time.Second)
				ended.Add(1)
				if i == 0 {
					return broken
				}
				return nil
			}, func(err error) error {
				if err != broken {
					t.Errorf("result %d is %v", i, err)
				}
				then++
				return err
			})
		}
		if err := q.Wait(); err != broken {
			t.Errorf("got %v", err)
		}
		if then != int(started.Load()) || started.Load() != ended.Load() || started.Load() == 20 {
			t.Errorf("%d started, %d ended, %d results", started.Load(), ended.Load(), then)
		}
	})
}

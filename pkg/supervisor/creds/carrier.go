// SPDX-License-Identifier: MPL-2.0

package creds

import "sync"

// Base is the index of a step's first program, and the highest index.
const Base = 1 << 60

// Image distinguishes a program in a process from the next one that the process executes; no
// program has the zero value.
type Image [16]byte

// Carrier keeps the credentials of a step's processes. A process has an index in its hard
// RLIMIT_RTTIME, which fork, execve and threads inherit by themselves, and which can only be
// lowered. So a new index has to be lower than the former one; processes with the same
// credentials share an index if that holds.
type Carrier struct {
	mu      sync.Mutex
	known   []uint32 // by Base minus the index: position in all
	all     []Creds
	number  map[Creds]uint32
	low     map[Creds]uint64 // the lowest index of equal credentials
	leaving map[uint64]Image // by index
}

// NewCarrier returns a carrier whose first index has the credentials of the first program.
func NewCarrier(first Creds) *Carrier {
	c := &Carrier{number: map[Creds]uint32{}, low: map[Creds]uint64{}, leaving: map[uint64]Image{}}
	c.low[first] = c.add(first)
	return c
}

// add makes the next index.
func (c *Carrier) add(creds Creds) uint64 {
	n, ok := c.number[creds]
	if !ok {
		n = uint32(len(c.all))
		c.all, c.number[creds] = append(c.all, creds), n
	}
	c.known = append(c.known, n)
	return Base - uint64(len(c.known)-1)
}

// Of returns the credentials that belong to a limit; false for a limit that no process can
// have. Unless leaving is zero, they are that program's, and the program that it executes may
// have others.
func (c *Carrier) Of(limit uint64) (creds Creds, leaving Image, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Base - limit // a limit above Base wraps around
	if i >= uint64(len(c.known)) {
		return Creds{}, Image{}, false
	}
	return c.all[c.known[i]], c.leaving[limit], true
}

// Index returns an index below a limit that stands for credentials.
func (c *Carrier) Index(limit uint64, creds Creds) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if low, ok := c.low[creds]; ok && low < limit {
		return low
	}
	c.low[creds] = c.add(creds)
	return c.low[creds]
}

// Leaving returns a separate index for a process with these credentials that is about to
// execute a different program than image.
func (c *Carrier) Leaving(creds Creds, image Image) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	index := c.add(creds)
	c.leaving[index] = image
	return index
}

// Len is the number of indices.
func (c *Carrier) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known)
}

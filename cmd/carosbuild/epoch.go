// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strconv"
)

// sourceDateEpoch is SOURCE_DATE_EPOCH, seconds since 1970, nil where it is not set.
func (a *app) sourceDateEpoch() (*int64, error) {
	v := a.getenv("SOURCE_DATE_EPOCH")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, usagef("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", v)
	}
	return &n, nil
}

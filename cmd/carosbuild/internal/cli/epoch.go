// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"strconv"
)

// SourceDateEpoch is SOURCE_DATE_EPOCH, in seconds since 1970, or nil if it is not
// set.
func (a *App) SourceDateEpoch() (*int64, error) {
	v := a.Getenv("SOURCE_DATE_EPOCH")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, Usagef("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", v)
	}
	return &n, nil
}

// SPDX-License-Identifier: MPL-2.0

package cli

import "context"

// WhileRead does nothing: on Windows, a write without a reader is only an error.
func WhileRead(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

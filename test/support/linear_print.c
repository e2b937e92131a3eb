// SPDX-License-Identifier: BSD-3-Clause
// A history that is not linearizable, for the reader's eye

#include "support/linear.h"

#include <inttypes.h>

static const char *const kind_name[] = {"get", "touch", "delete", "set", "add", "replace", "append",
	"prepend", "cas", "incr", "decr", "flush", "due", "clock"};

static const char *const status_name[] = {
	"OK", "NOT_FOUND", "NOT_STORED", "EXISTS", "TOO_LARGE", "NO_MEMORY", "NOT_NUMBER"};

static void print_value(FILE *to, const struct linear_value *v)
{
	if (v->is_number)
		fprintf(to, " \"%" PRIu64 "\" (%u bytes)", v->number, v->len);
	else
		fprintf(to, " value %08x (%u bytes)", (unsigned)(v->sum ^ v->sum >> 32), v->len);
}

static void print_item(FILE *to, const struct linear_value *v, uint32_t flags, uint32_t exptime)
{
	print_value(to, v);
	fprintf(to, " flags %u", flags);
	if (exptime)
		fprintf(to, " exptime %u", exptime);
}

static void print_cas(FILE *to, uint64_t cas)
{
	fprintf(to, " cas %" PRIx64, cas);
}

static void print_asked(FILE *to, const struct linear_op *op)
{
	switch (op->kind) {
	case LINEAR_SET:
	case LINEAR_ADD:
	case LINEAR_REPLACE:
	case LINEAR_CAS:
		print_item(to, &op->value, op->flags, op->exptime);
		if (op->kind == LINEAR_CAS)
			print_cas(to, op->cas);
		break;
	case LINEAR_APPEND:
	case LINEAR_PREPEND:
		print_value(to, &op->value);
		break;
	case LINEAR_INCR:
	case LINEAR_DECR:
		fprintf(to, " by %" PRIu64, op->delta);
		break;
	case LINEAR_TOUCH:
	case LINEAR_FLUSH:
	case LINEAR_DUE:
	case LINEAR_CLOCK:
		fprintf(to, " %u", op->exptime);
		break;
	default:
		break;
	}
}

static void print_answer(FILE *to, const struct linear_op *op)
{
	if (op->kind >= LINEAR_FLUSH)
		return;
	fprintf(to, " -> %s", status_name[op->status]);
	if (op->status != STORE_OK)
		return;
	if (op->kind == LINEAR_GET || op->kind == LINEAR_TOUCH) {
		print_item(to, &op->value, op->flags, op->exptime);
		print_cas(to, op->cas);
	} else if (op->kind == LINEAR_INCR || op->kind == LINEAR_DECR) {
		fprintf(to, " %" PRIu64, op->value.number);
	}
}

static void print_op(FILE *to, const struct linear_op *op, char mark, uint64_t start)
{
	fprintf(to, "  %c %4u %6" PRId64 " .. ", mark, op->thread, (int64_t)(op->call - start));
	if (op->ret == LINEAR_NEVER)
		fprintf(to, "  later");
	else
		fprintf(to, "%7" PRId64, (int64_t)(op->ret - start));
	fprintf(to, "  %s", kind_name[op->kind]);
	print_asked(to, op);
	print_answer(to, op);
	fputc('\n', to);
}

void linear_failure_print(FILE *to, const struct linear_failure *f)
{
	const struct linear_state *st = &f->before;
	uint64_t start = f->count ? f->op[0].call : 0;

	fprintf(to, "  %s\n  thread    call .. return\n", f->what);
	for (size_t i = 0; i < f->context_count; i++)
		print_op(to, &f->context[i], ' ', start);
	fprintf(to, "  then it is certain: second %u", st->now_s);
	if (st->flush_at_s)
		fprintf(to, ", flush at %u", st->flush_at_s);
	if (st->present) {
		fprintf(to, ", item");
		print_item(to, &st->value, st->flags, st->exptime);
		print_cas(to, st->cas);
	} else {
		fprintf(to, ", no item");
	}
	fputc('\n', to);
	for (size_t i = 0; i < f->count; i++)
		print_op(to, &f->op[i], i == f->failed ? '!' : ' ', start);
}

// SPDX-License-Identifier: BSD-3-Clause
// What the command "stats settings" shows, under memcached's names

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"

#define SETTINGS_MAX 48
#define SETTING_SIZE CFG_STRING_SIZE

struct settings {
	struct cmd_setting item[SETTINGS_MAX + 1];
	char text[SETTINGS_MAX][SETTING_SIZE];
	unsigned count;
};

__attribute__((format(printf, 3, 4))) static void set(
	struct settings *s, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (s->count == SETTINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(s->text[s->count], SETTING_SIZE, fmt, ap);
	va_end(ap);
	s->item[s->count] = (struct cmd_setting){name, s->text[s->count]};
	s->count++;
}

int app_settings(struct app *app)
{
	const struct cfg *cfg = &app->cfg;
	const char *file = cfg->memory.restart_file.s;
	struct settings *s = calloc(1, sizeof(*s));
	char names[SETTING_SIZE];
	uint32_t a;

	if (!s)
		return -1;
	a = cfg->server.listen.item[0].addr;
	set(s, "maxbytes", "%llu", cfg->memory.memory_mb * 1024ULL * 1024);
	set(s, "maxconns", "%u", cfg->server.connections);
	set(s, "tcpport", "%u", cfg->server.tcp_port);
	set(s, "udpport", "%u", cfg->server.udp_port);
	set(s, "inter", "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	set(s, "verbosity", "%u", cfg->server.verbosity);
	set(s, "evictions", "%s", cfg->memory.evictions ? "on" : "off");
	set(s, "num_threads", "%u", app->worker_count);
	set(s, "num_threads_per_udp", "%u", app->worker_count);
	set(s, "detail_enabled", "no");
	set(s, "reqs_per_event", "%u", cfg->server.requests_per_event);
	set(s, "cas_enabled", "%s", cfg->memory.cas ? "yes" : "no");
	set(s, "binding_protocol", "ascii");
	set(s, "auth_enabled_sasl", "no");
	set(s, "auth_enabled_ascii", "no");
	set(s, "item_size_max", "%llu", (unsigned long long)cfg->memory.item_size_max);
	set(s, "maxconns_fast", "yes");
	set(s, "lru_crawler", "no");
	set(s, "flush_enabled", "%s", cfg->server.flush_all ? "yes" : "no");
	set(s, "dump_enabled", "%s", cfg->server.dump ? "yes" : "no");
	set(s, "hash_algorithm", "siphash13");
	set(s, "idle_timeout", "%u", cfg->server.idle_timeout_s);
	set(s, "track_sizes", "yes");
	set(s, "ringcached_mode", "%s", app_mode_name(app->mode));
	app_ports_names(app, names, sizeof(names));
	set(s, "ringcached_device", "%s", names);
	set(s, "memory_file", "%s", file[0] ? file : "(null)"); // as memcached says it
	set(s, "ringcached_hugepages", "%s",
		app->store_mem.mem || app->store_file.is_hugetlbfs ? "yes" : "no");
	app->settings = s->item;
	return 0;
}

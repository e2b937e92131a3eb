// SPDX-License-Identifier: BSD-3-Clause
// The command line of ringload

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "load/flood.h"
#include "load/udp.h"
#include "ringload.h"

#define FLOOD_WINDOW 256 // --closed without a number

enum option_id {
	OPT_ENGINE = 256,
	OPT_SERVER,
	OPT_CLIENT,
	OPT_DEVICE,
	OPT_THREADS,
	OPT_SRC_PORTS,
	OPT_SRC_PORT,
	OPT_SERVER_MAC,
	OPT_GATEWAY,
	OPT_MTU,
	OPT_HUGEPAGES,
	OPT_IDLE,
	OPT_CONNECTIONS,
	OPT_PIPELINE,
	OPT_RECONNECT,
	OPT_RATE,
	OPT_ARRIVAL,
	OPT_CLOSED,
	OPT_FLOOD,
	OPT_WARMUP,
	OPT_DURATION,
	OPT_TIMEOUT,
	OPT_LATE,
	OPT_KEYS,
	OPT_KEY_SIZE,
	OPT_VALUE_SIZE,
	OPT_VALUE_MAX,
	OPT_MIX,
	OPT_MULTIGET,
	OPT_UNIFORM,
	OPT_ZIPF,
	OPT_HOT,
	OPT_SCAN,
	OPT_TRACE,
	OPT_TRACE_IDS,
	OPT_SEED,
	OPT_NO_PRELOAD,
	OPT_ALLOW_MISSING,
	OPT_NO_VERIFY,
	OPT_FIND_MAX,
	OPT_P99,
	OPT_LOSS,
	OPT_RATE_MIN,
	OPT_TRIAL,
	OPT_PRECISION,
	OPT_JSON,
	OPT_CSV,
	OPT_HGRM,
	OPT_QUIET,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"engine", required_argument, NULL, OPT_ENGINE},
	{"server", required_argument, NULL, OPT_SERVER},
	{"client", required_argument, NULL, OPT_CLIENT},
	{"device", required_argument, NULL, OPT_DEVICE},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"src-ports", required_argument, NULL, OPT_SRC_PORTS},
	{"src-port", required_argument, NULL, OPT_SRC_PORT},
	{"server-mac", required_argument, NULL, OPT_SERVER_MAC},
	{"gateway", required_argument, NULL, OPT_GATEWAY},
	{"mtu", required_argument, NULL, OPT_MTU},
	{"hugepages", required_argument, NULL, OPT_HUGEPAGES},
	{"idle", required_argument, NULL, OPT_IDLE},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"pipeline", required_argument, NULL, OPT_PIPELINE},
	{"reconnect", required_argument, NULL, OPT_RECONNECT},
	{"rate", required_argument, NULL, OPT_RATE},
	{"arrival", required_argument, NULL, OPT_ARRIVAL},
	{"closed", required_argument, NULL, OPT_CLOSED},
	{"flood", no_argument, NULL, OPT_FLOOD},
	{"warmup-s", required_argument, NULL, OPT_WARMUP},
	{"duration-s", required_argument, NULL, OPT_DURATION},
	{"timeout-ms", required_argument, NULL, OPT_TIMEOUT},
	{"late-us", required_argument, NULL, OPT_LATE},
	{"keys", required_argument, NULL, OPT_KEYS},
	{"key-size", required_argument, NULL, OPT_KEY_SIZE},
	{"value-size", required_argument, NULL, OPT_VALUE_SIZE},
	{"values", required_argument, NULL, OPT_VALUE_SIZE},
	{"value-max", required_argument, NULL, OPT_VALUE_MAX},
	{"mix", required_argument, NULL, OPT_MIX},
	{"multiget", required_argument, NULL, OPT_MULTIGET},
	{"uniform", no_argument, NULL, OPT_UNIFORM},
	{"zipf", required_argument, NULL, OPT_ZIPF},
	{"hot", required_argument, NULL, OPT_HOT},
	{"scan", no_argument, NULL, OPT_SCAN},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"trace-ids", required_argument, NULL, OPT_TRACE_IDS},
	{"seed", required_argument, NULL, OPT_SEED},
	{"no-preload", no_argument, NULL, OPT_NO_PRELOAD},
	{"allow-missing", no_argument, NULL, OPT_ALLOW_MISSING},
	{"no-verify", no_argument, NULL, OPT_NO_VERIFY},
	{"find-max", no_argument, NULL, OPT_FIND_MAX},
	{"p99-us", required_argument, NULL, OPT_P99},
	{"loss", required_argument, NULL, OPT_LOSS},
	{"rate-min", required_argument, NULL, OPT_RATE_MIN},
	{"trial-s", required_argument, NULL, OPT_TRIAL},
	{"precision", required_argument, NULL, OPT_PRECISION},
	{"json", required_argument, NULL, OPT_JSON},
	{"csv", required_argument, NULL, OPT_CSV},
	{"hgrm", required_argument, NULL, OPT_HGRM},
	{"quiet", no_argument, NULL, OPT_QUIET},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

void usage_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("ringload: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_USAGE);
}

static const char *option_name(int id)
{
	for (const struct option *o = long_options; o->name; o++)
		if (o->val == id)
			return o->name;
	return "";
}

static uint64_t number(int id, uint64_t min, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(optarg, &end, 10);
	if (errno != 0 || *end != '\0' || *optarg < '0' || *optarg > '9' || v < min || v > max)
		usage_error("--%s '%s': not a number from %llu to %llu", option_name(id), optarg,
			(unsigned long long)min, (unsigned long long)max);
	return v;
}

static double real(int id, double min, double max)
{
	double v;
	char *end;

	errno = 0;
	v = strtod(optarg, &end);
	if (errno != 0 || *end != '\0' || end == optarg || !(v >= min && v <= max))
		usage_error(
			"--%s '%s': not a number from %g to %g", option_name(id), optarg, min, max);
	return v;
}

static uint32_t address(int id, uint16_t *port)
{
	char addr[INET_ADDRSTRLEN] = "";
	const char *text = optarg;
	size_t n = strcspn(text, ":");
	struct in_addr in;

	if (n < sizeof(addr)) {
		memcpy(addr, text, n);
		addr[n] = '\0';
	}
	if (inet_pton(AF_INET, addr, &in) != 1 || in.s_addr == 0 || (text[n] && !port))
		usage_error("--%s '%s': not an IPv4 address", option_name(id), text);
	if (port && text[n]) {
		optarg += n + 1;
		*port = (uint16_t)number(id, 1, 65535);
	}
	return ntohl(in.s_addr);
}

static int choice(int id, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(optarg, names[i]) == 0)
			return i;
	usage_error("--%s '%s' is unknown (ringload --help)", option_name(id), optarg);
}

static void pair(int id, double *a, double *b)
{
	int n = 0;

	if (sscanf(optarg, "%lf:%lf%n", a, b, &n) != 2 || optarg[n] || !(*a >= 0 && *b >= 0) ||
		!(*a + *b > 0))
		usage_error("--%s '%s': two numbers with a colon", option_name(id), optarg);
}

static void mac_address(struct options *o)
{
	unsigned b[6];
	int n = 0;

	if (sscanf(optarg, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &n) != 6 ||
		optarg[n])
		usage_error("--server-mac '%s': not a MAC address", optarg);
	for (unsigned i = 0; i < 6; i++)
		o->server_mac[i] = (uint8_t)b[i];
	o->has_server_mac = true;
}

static bool engine_option(struct options *o, int id)
{
	static const char *const engines[] = {
		"dpdk-udp", "dpdk-tcp", "kernel-udp", "kernel-tcp", NULL};
	static const char *const idle[] = {"auto", "spin", "sleep", NULL};
	static const char *const hugepages[] = {"off", "auto", NULL};

	switch (id) {
	case OPT_ENGINE:
		o->engine = (enum engine_kind)choice(id, engines);
		return true;
	case OPT_SERVER:
		o->server_addr = address(id, &o->server_port);
		return true;
	case OPT_CLIENT:
		o->client_addr = address(id, NULL);
		return true;
	case OPT_DEVICE:
		o->device = optarg;
		return true;
	case OPT_THREADS:
		o->threads = (unsigned)number(id, 1, RINGLOAD_THREADS_MAX);
		return true;
	case OPT_SRC_PORTS:
		o->src_port_count = (uint16_t)number(id, 1, UDP_CLIENT_PORTS_MAX);
		return true;
	case OPT_SRC_PORT:
		o->src_port = (uint16_t)number(id, 1, 65535);
		return true;
	case OPT_SERVER_MAC:
		mac_address(o);
		return true;
	case OPT_GATEWAY:
		o->gateway_addr = address(id, NULL);
		return true;
	case OPT_MTU:
		o->mtu = (uint16_t)number(id, 576, 9000);
		return true;
	case OPT_HUGEPAGES:
		o->hugepages = choice(id, hugepages) == 1;
		return true;
	case OPT_IDLE:
		o->idle = (enum idle_mode)choice(id, idle);
		return true;
	case OPT_CONNECTIONS:
		o->connections = (uint32_t)number(id, 1, 1000000);
		return true;
	case OPT_PIPELINE:
		o->pipeline = (uint32_t)number(id, 1, 10000);
		return true;
	case OPT_RECONNECT:
		o->reconnect = (uint32_t)number(id, 0, UINT32_MAX);
		return true;
	default:
		return false;
	}
}

static bool rate_option(struct options *o, int id)
{
	static const char *const arrivals[] = {"constant", "poisson", NULL};

	switch (id) {
	case OPT_RATE:
		o->rate_pps = real(id, 0.1, 1e9);
		return true;
	case OPT_ARRIVAL:
		o->poisson = choice(id, arrivals) == 1;
		return true;
	case OPT_CLOSED:
		o->outstanding = (uint32_t)number(id, 1, 10000000);
		return true;
	case OPT_FLOOD:
		o->flood = true;
		return true;
	case OPT_WARMUP:
		o->warmup_s = real(id, 0, 1e6);
		return true;
	case OPT_DURATION:
		o->duration_s = real(id, 0.01, 1e6);
		return true;
	case OPT_TIMEOUT:
		o->timeout_ms = real(id, 0.01, 60000);
		return true;
	case OPT_LATE:
		o->late_us = real(id, 0.1, 1e6);
		return true;
	case OPT_FIND_MAX:
		o->find_max = true;
		return true;
	case OPT_P99:
		o->max_p99_us = real(id, 0.1, 6e7);
		return true;
	case OPT_LOSS:
		o->max_loss = real(id, 0, 1);
		return true;
	case OPT_RATE_MIN:
		o->rate_min_pps = real(id, 0.1, 1e9);
		return true;
	case OPT_TRIAL:
		o->trial_s = real(id, 0.01, 1e6);
		return true;
	case OPT_PRECISION:
		o->precision = real(id, 0.0001, 0.5);
		return true;
	default:
		return false;
	}
}

static void dist_option(struct options *o, int id)
{
	switch (id) {
	case OPT_UNIFORM:
		o->dist.kind = DIST_UNIFORM;
		break;
	case OPT_ZIPF:
		o->dist.kind = DIST_ZIPF;
		o->dist.zipf_s = real(id, 0, 1.4);
		break;
	case OPT_HOT:
		o->dist.kind = DIST_HOT;
		pair(id, &o->dist.hot_keys, &o->dist.hot_accesses);
		o->dist.hot_keys /= 100;
		o->dist.hot_accesses /= 100;
		break;
	case OPT_SCAN:
		o->dist.kind = DIST_SCAN;
		break;
	case OPT_TRACE:
		o->dist.kind = DIST_TRACE;
		o->trace_lines = optarg;
		break;
	case OPT_TRACE_IDS:
		o->dist.kind = DIST_TRACE;
		o->trace_ids = optarg;
		break;
	}
}

static bool workload_option(struct options *o, int id)
{
	switch (id) {
	case OPT_KEYS:
		o->keys = (uint32_t)number(id, 1, UINT32_MAX - 1);
		return true;
	case OPT_KEY_SIZE:
		o->key_size = optarg;
		return true;
	case OPT_VALUE_SIZE:
		o->value_size = optarg;
		return true;
	case OPT_VALUE_MAX:
		o->value_max = (uint32_t)number(id, 1, 100000000);
		return true;
	case OPT_MIX:
		pair(id, &o->get_part, &o->set_part);
		return true;
	case OPT_MULTIGET:
		o->multiget = (unsigned)number(id, 1, LOAD_MULTIGET_MAX);
		return true;
	case OPT_UNIFORM:
	case OPT_ZIPF:
	case OPT_HOT:
	case OPT_SCAN:
	case OPT_TRACE:
	case OPT_TRACE_IDS:
		dist_option(o, id);
		return true;
	case OPT_SEED:
		o->seed = number(id, 0, UINT64_MAX);
		return true;
	case OPT_NO_PRELOAD:
		o->preload = false;
		return true;
	case OPT_ALLOW_MISSING:
		o->allow_missing = true;
		return true;
	case OPT_NO_VERIFY:
		o->verify = false;
		return true;
	default:
		return false;
	}
}

static void result_option(struct options *o, int id)
{
	switch (id) {
	case OPT_JSON:
		o->json_file = optarg;
		break;
	case OPT_CSV:
		o->csv_file = optarg;
		break;
	case OPT_HGRM:
		o->hgrm_file = optarg;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_HELP:
		help_print(stdout);
		exit(EXIT_SUCCESS);
	case OPT_VERSION:
		printf("ringload %s\n", RINGCACHED_VERSION);
		exit(EXIT_SUCCESS);
	}
}

static void flood_check_options(struct options *o)
{
	if (!o->outstanding)
		o->outstanding = FLOOD_WINDOW;
	if (o->outstanding > FLOOD_WINDOW_MAX)
		usage_error("--flood has at most --closed %u", FLOOD_WINDOW_MAX);
	if (o->engine != ENGINE_DPDK_UDP)
		usage_error("--flood is for --engine dpdk-udp");
	if (o->threads > 1)
		usage_error("--flood has one thread");
	if (o->rate_pps > 0)
		usage_error("--flood and --rate exclude each other");
	if (o->set_part > 0 || o->multiget > 1)
		usage_error("--flood sends gets of one key only");
}

// What options demand of each other, and defaults that follow from others.
static void options_check(struct options *o)
{
	if (!o->server_addr)
		usage_error("--server is missing (ringload --help)");
	if (engine_is_dpdk(o->engine) && !o->client_addr)
		usage_error("the DPDK engines need --client, their own address");
	if (!engine_is_dpdk(o->engine) && o->device)
		usage_error("--device is for the DPDK engines; sockets take no device");
	if (!engine_is_dpdk(o->engine) && o->eal_argc > 0)
		usage_error("arguments after -- are for the DPDK engines");
	if (o->find_max && !(o->rate_pps > 0))
		usage_error("--find-max needs --rate, the highest rate to try");
	if (o->find_max && o->rate_min_pps > o->rate_pps)
		usage_error("--rate-min is above --rate");
	if (o->rate_pps > 0 && o->outstanding)
		usage_error("--rate and --closed exclude each other");
	if (o->flood)
		flood_check_options(o);
	if (o->connections < o->threads)
		o->connections = o->threads;
	if (o->engine == ENGINE_DPDK_TCP && o->src_port + o->connections > 65536)
		usage_error("--src-port + --connections goes beyond 65535");
	if (o->engine == ENGINE_DPDK_TCP) // a port for each
		o->src_port_count = (uint16_t)o->connections;
	if (o->src_port + o->src_port_count > 65536)
		usage_error("--src-port + --src-ports goes beyond 65535");
	if (o->trace_lines && o->trace_ids)
		usage_error("--trace and --trace-ids exclude each other");
	if (o->src_port_count < o->threads)
		o->src_port_count = (uint16_t)o->threads;
	if (engine_is_tcp(o->engine) && !o->outstanding)
		o->outstanding = o->connections * o->pipeline;
	if (!o->outstanding)
		o->outstanding = 16;
	if (o->outstanding < o->threads)
		o->outstanding = o->threads;
	if (!(o->timeout_ms > 0))
		o->timeout_ms = engine_is_tcp(o->engine) ? 1000 : 100;
	o->dist.seed = o->seed;
}

void options_parse(struct options *o, int argc, char **argv)
{
	int id, at;

	*o = (struct options){
		.threads = 1,
		.seed = 1,
		.server_port = 11211,
		.mtu = 1500,
		.src_port = 20000,
		.src_port_count = 16,
		.connections = 16,
		.pipeline = 1,
		.hugepages = true,
		.poisson = true,
		.warmup_s = 1,
		.duration_s = 10,
		.keys = 100000,
		.key_size = "16",
		.value_size = "32",
		.get_part = 1,
		.multiget = 1,
		.preload = true,
		.verify = true,
		.rate_min_pps = 1000,
		.trial_s = 2,
		.precision = 0.02,
	};
	opterr = 0;
	while (at = optind, (id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (id == ':')
			usage_error("option '%s' needs a value", argv[optind - 1]);
		if (id == '?')
			usage_error("unknown option '%s'", argv[optind > at ? optind - 1 : at]);
		if (!engine_option(o, id) && !rate_option(o, id) && !workload_option(o, id))
			result_option(o, id);
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		usage_error("'%s' is no option (EAL arguments follow --)", argv[optind]);
	o->eal_argc = argc - optind;
	o->eal_argv = argv + optind;
	options_check(o);
}

/* Round trips in tenths of a millisecond: TCP between AWS regions, median and 90th percentile of a year, by cloudping.co as stored in commonware/monorepo,
   examples/estimator/src/p50.json and p90.json, commit dc41a895 (2026-08-21); row from, column to.  The first ten are that estimator's ten regions. */
#include "wan.h"

static uint16_t const rtt50[ WAN_REGIONS ][ WAN_REGIONS ] = {
  {   28,  639, 1299, 1083, 1729, 2320, 1748, 1533, 1335, 1391,  525,  219, 1479, 1443 },   /* us-west-1 */
  {  642,   55,  696, 1497, 1128, 1925, 1153,  932, 1798, 1998,  151,  644,  780,  840 },   /* us-east-1 */
  { 1301,  697,   32, 2023,  409, 1259, 1782,  275, 2326, 2557,  802, 1186,  141,  201 },   /* eu-west-1 */
  { 1087, 1495, 2025,   28, 2472, 1343, 2583, 2276,  363, 1069, 1356,  986, 2130, 2193 },   /* ap-northeast-1 */
  { 1725, 1122,  397, 2467,   33, 1489, 2230,  230, 2501, 2712, 1227, 1547,  309,  316 },   /* eu-north-1 */
  { 2316, 1897, 1254, 1333, 1484,   32, 3010, 1290, 1345, 1547, 1998, 2222, 1171, 1086 },   /* ap-south-1 */
  { 1753, 1154, 1786, 2589, 2233, 3018,   33, 2050, 2897, 3124, 1254, 1752, 1873, 1959 },   /* sa-east-1 */
  { 1530,  926,  270, 2270,  229, 1293, 2040,   40, 2308, 2513, 1033, 1424,  176,  122 },   /* eu-central-1 */
  { 1339, 1795, 2332,  364, 2504, 1352, 2894, 2316,   40, 1452, 1653, 1238, 2439, 2496 },   /* ap-northeast-2 */
  { 1392, 1997, 2556, 1058, 2716, 1549, 3121, 2516, 1461,   41, 1880, 1411, 2663, 2802 },   /* ap-southeast-2 */
  {  532,  165,  807, 1365, 1239, 2047, 1260, 1042, 1674, 1886,   54,  512,  889,  952 },   /* us-east-2 */
  {  217,  640, 1183,  982, 1555, 2222, 1746, 1428, 1236, 1410,  505,   32, 1289, 1353 },   /* us-west-2 */
  { 1478,  775,  135, 2129,  316, 1176, 1868,  178, 2431, 2661,  881, 1289,   33,  110 },   /* eu-west-2 */
  { 1445,  842,  202, 2196,  323, 1095, 1956,  127, 2495, 2804,  946, 1357,  116,   33 },   /* eu-west-3 */
};
static uint16_t const rtt90[ WAN_REGIONS ][ WAN_REGIONS ] = {
  {   53,  743, 1340, 1111, 1758, 2388, 1776, 1565, 1367, 1422,  667,  241, 1510, 1475 },   /* us-west-1 */
  {  742,   93,  746, 1566, 1179, 2037, 1194,  986, 1876, 2045,  192,  693,  830,  891 },   /* us-east-1 */
  { 1342,  728,   58, 2085,  441, 1337, 1810,  305, 2399, 2590,  832, 1220,  171,  233 },   /* eu-west-1 */
  { 1116, 1559, 2087,   59, 2512, 1457, 2643, 2316,  386, 1149, 1404, 1015, 2191, 2256 },   /* ap-northeast-1 */
  { 1752, 1149,  430, 2508,   54, 1528, 2260,  261, 2633, 2752, 1255, 1581,  341,  346 },   /* eu-north-1 */
  { 2385, 2009, 1324, 1448, 1526,   54, 3053, 1332, 1399, 1575, 2072, 2336, 1211, 1129 },   /* ap-south-1 */
  { 1782, 1181, 1813, 2641, 2267, 3063,   56, 2075, 2965, 3151, 1286, 1779, 1904, 1985 },   /* sa-east-1 */
  { 1566,  953,  296, 2311,  258, 1330, 2063,   59, 2532, 2546, 1059, 1458,  203,  146 },   /* eu-central-1 */
  { 1376, 1867, 2402,  391, 2722, 1404, 2961, 2540,   58, 1494, 1718, 1274, 2505, 2568 },   /* ap-northeast-2 */
  { 1424, 2029, 2592, 1160, 2757, 1579, 3151, 2556, 1504,   58, 1913, 1442, 2696, 2834 },   /* ap-southeast-2 */
  {  668,  202,  875, 1445, 1304, 2122, 1324, 1110, 1763, 1956,   89,  581,  958, 1019 },   /* us-east-2 */
  {  236,  665, 1213, 1011, 1589, 2335, 1776, 1461, 1270, 1435,  527,   59, 1318, 1385 },   /* us-west-2 */
  { 1503,  804,  161, 2189,  345, 1215, 1895,  204, 2501, 2691,  911, 1318,   62,  133 },   /* eu-west-2 */
  { 1474,  868,  227, 2253,  353, 1137, 1980,  151, 2568, 2830,  977, 1387,  141,   56 },   /* eu-west-3 */
};

uint64_t wan_delay_us( uint8_t from, uint8_t to, uint32_t pct ) { return (uint64_t)( pct==90 ? rtt90 : rtt50 )[ from ][ to ]*50; }

/* x with x^3 <= v. */
static uint64_t cube_root( uint64_t v ) {
  uint64_t x = 0;
  for( int s = 63; s>=0; s -= 3 ) {
    x *= 2;
    uint64_t y = 3*x*( x+1 )+1;
    if( v>>s>=y ) { v -= y<<s; x++; }
  }
  return x;
}

/* Lomax with shape 3 and scale: scale ( u^(-1/3) - 1 ), u uniform in (0, 1]; in whole numbers, so that every machine draws the same. */
static uint64_t lomax( rng_t * r, uint64_t scale ) {
  uint64_t u = 1+rng_below( r, 1u<<20 );   /* / 2^20 */
  return scale*( cube_root( ( (uint64_t)1<<59 )/u )-8192 )/8192;
}
#define LOMAX_50 260    /* its median and the width from there to the 90th percentile, in thousandths of the scale */
#define LOMAX_WIDTH 895

void wan_init( wan_t * x ) {
  memset( x, 0, sizeof *x );
  x->jitter_pct = 100;
  x->gap_from   = UINT64_MAX;
}
void wan_fini( wan_t * x ) { free( x->finality ); }

void wan_links( world_t * w ) {
  for( uint8_t i = 0; i<w->node_cnt; i++ ) clock_set( w, &w->nodes[ i ], (int64_t)rng_below( &w->clock, 101 )-50, (int64_t)rng_below( &w->clock, 21 )-10 );
}

void wan_send( world_t * w, node_t * from, node_t * to, dmg_span_t frame ) {
  wan_t * x = w->wan;
  uint8_t a = x->place[ from->id ], b = x->place[ to->id ];
  uint64_t mid = wan_delay_us( a, b, 50 ), width = wan_delay_us( a, b, 90 )-mid, back = wan_delay_us( b, a, 50 );
  uint64_t scale = width*1000/LOMAX_WIDTH*x->jitter_pct/100, least = scale*LOMAX_50/1000;
  uint64_t d = ( mid>least ? mid-least : 0 )+lomax( &w->net, scale ), wait = mid+back+4*width+25000;
  for( ; x->loss_ppm && rng_is( &w->net, x->loss_ppm ); wait *= 2 ) d += wait;
  uint64_t at = x->is_unordered ? w->now+d : dmg_max_u64( w->now+d, x->last[ from->id ][ to->id ]+1 );
  x->last[ from->id ][ to->id ] = at;
  if( w->now>=x->from_us && frame.p[ 0 ]<0x80 ) {
    x->sent[ from->id ].bytes += frame.sz;
    x->sent[ from->id ].frames++;
    x->got[ to->id ].bytes += frame.sz;
    x->got[ to->id ].frames++;
  }
  net_deliver( w, from->id, to, frame, at );
}

uint64_t wan_work( world_t * w, work_t work ) {
  switch( work ) {
    case WORK_SAVE: case WORK_SIGN: return 200+lomax( &w->exec, 2000 );
    default:                        return rng_in( &w->exec, 500, 2000 );
  }
}

void wan_proposed( world_t * w, uint64_t view ) {
  if( view>=VIEW_MAX || w->now<w->wan->from_us ) return;
  w->wan->proposed_at[ view ] = w->now;
  if( view>w->wan->top ) w->wan->top = view;
}

void wan_signed( world_t * w, uint8_t kind, uint64_t view ) {
  if( kind!=DMG_VOTE_NULLIFY || view>=VIEW_MAX || w->now<w->wan->from_us ) return;
  w->wan->is_nulled[ view ] = true;
  if( view>w->wan->top ) w->wan->top = view;
}

void wan_final( world_t * w, node_t * n, dmg_cert_t const * cert ) {
  wan_t * x = w->wan;
  if( cert->view<=x->final_view[ n->id ] ) return;
  if( w->now>=x->gap_from ) {
    uint64_t gap = w->now-dmg_max_u64( x->final_at[ n->id ], x->gap_from );
    if( gap>x->gap[ n->id ] ) x->gap[ n->id ] = gap;
  }
  /* A block whose own FINALIZATION did not come is final with its descendant's. */
  simblk_t const * b = blk_get( w, &cert->hash );
  while( b && b->has_header && b->h.view>x->final_view[ n->id ] ) {
    if( b->h.view<VIEW_MAX && x->proposed_at[ b->h.view ] ) {
      if( x->finality_cnt==x->finality_cap ) { x->finality_cap = x->finality_cap ? 2*x->finality_cap : 4096; x->finality = grow( x->finality, x->finality_cap*sizeof *x->finality ); }
      x->finality[ x->finality_cnt++ ] = w->now-x->proposed_at[ b->h.view ];
    }
    b = blk_get( w, &b->h.parent_hash );
  }
  x->final_view[ n->id ] = cert->view;
  x->final_at[ n->id ]   = w->now;
}

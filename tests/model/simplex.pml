/* The voting rules C4.1, C4.3-C4.5 once more, for spin: a second opinion on safety.c, by other hands' search (C14.2).

   Four validators, one lends every vote and is not modelled further; two views, candidates 1 and 2 in each, all choices of what those of view 2 stand on; a certificate
   exists once enough votes do.  No symmetry: each honest validator is a process.
   Switches: LOOSE (without the clauses on own votes), and the five mutants FINALIZE_AFTER_NULLIFY NULLIFY_AFTER_FINALIZE SKIP_WITHOUT_Z TWO_NOTARIZE QUORUM_SHORT.
   Loose and mutated models are held against agreement only: that an honest validator signs a slashable pair would be too easy. */

#define HONEST 3
#ifdef QUORUM_SHORT
#define NEED 1   /* honest votes to a quorum of 3 of 4 */
#else
#define NEED 2
#endif

byte nota[6], null[6], fina[6];   /* by validator and view; nota, fina: bit 1 and 2 the candidates */
byte par[3];                      /* what candidate c of view 2 stands on: 0 the anchor, else the candidate of view 1 */

#define AT(i, v)        ((i)*2+(v)-1)
#define HAS(set, i, v, c) ((set[AT(i, v)]&(c))!=0)
#define CNT(set, v, c)  (HAS(set, 0, v, c)+HAS(set, 1, v, c)+HAS(set, 2, v, c))
#define N(v, c)         (CNT(nota, v, c)>=NEED)
#define F(v, c)         (CNT(fina, v, c)>=NEED)
#define Z(v)            (CNT(null, v, 1)>=NEED)
#define BASE(v)         (N(v, 1) || N(v, 2) || F(v, 1) || F(v, 2))

#ifdef SKIP_WITHOUT_Z
#define CUR(v)          true
#define SKIPS           true
#else
#define CUR(v)          ((v)==1 || BASE(1) || Z(1))                                       /* C4.1 */
#define SKIPS           Z(1)
#endif
#define JUST(v, c)      ((v)==1 || (par[c]==0 && SKIPS) || (par[c]!=0 && (N(1, par[c]) || F(1, par[c]))))

#ifdef TWO_NOTARIZE
#define ONCE(i, v, c)   (!HAS(nota, i, v, c))
#else
#define ONCE(i, v, c)   (nota[AT(i, v)]==0)
#endif
#ifdef NULLIFY_AFTER_FINALIZE
#define NOT_FINAL(i, v) true
#else
#define NOT_FINAL(i, v) (fina[AT(i, v)]==0)
#endif
#ifdef FINALIZE_AFTER_NULLIFY
#define NOT_NULL(i, v)  true
#else
#define NOT_NULL(i, v)  (null[AT(i, v)]==0)
#endif
#ifdef LOOSE
#define OWN_F(i, v, c)  true
#define OWN_N(i, v, c)  true
#else
#define OWN_F(i, v, c)  ((fina[AT(i, v)]&~(c))==0)
#define OWN_N(i, v, c)  (nota[AT(i, v)]==0 || HAS(nota, i, v, c))
#endif

#define MAY_NOTARIZE(i, v, c) ((CUR(v) || N(v, c)) && JUST(v, c) && ONCE(i, v, c) && OWN_F(i, v, c))   /* C4.3 */
#define MAY_NULLIFY(i, v)     (CUR(v) && null[AT(i, v)]==0 && NOT_FINAL(i, v))                          /* C4.4 */
#define MAY_FINALIZE(i, v, c) (N(v, c) && fina[AT(i, v)]==0 && NOT_NULL(i, v) && OWN_N(i, v, c))        /* C4.5 */

inline check_view( v ) {
  assert( !((F(v, 1) || F(v, 2)) && Z(v)) );                        /* S1 */
  assert( !(N(v, 1) && N(v, 2)) && !(F(v, 1) && F(v, 2)) );         /* S2 */
  assert( (!F(v, 1) || N(v, 1)) && (!F(v, 2) || N(v, 2)) )          /* S3 */
}

/* S3, and what follows: a notarized block of view 2 stands on a notarized one or over Z(1), and on whatever is finalized in view 1. */
#define STANDS(c) (!N(2, c) || ((par[c]==0 && Z(1) && !F(1, 1) && !F(1, 2)) || (par[c]!=0 && N(1, par[c]) && !F(1, 3-par[c]))))

#define PAIR(i, v) (nota[AT(i, v)]==3 || (null[AT(i, v)]!=0 && fina[AT(i, v)]!=0) || fina[AT(i, v)]==3 || (fina[AT(i, v)]!=0 && (nota[AT(i, v)]&~fina[AT(i, v)])!=0))

inline check() {
  check_view( 1 );
  check_view( 2 );
  assert( STANDS(1) && STANDS(2) );
#ifdef PAIRS
  assert( !PAIR(0, 1) && !PAIR(0, 2) && !PAIR(1, 1) && !PAIR(1, 2) && !PAIR(2, 1) && !PAIR(2, 2) )
#endif
}

proctype honest( byte i ) {
end:
  do
  :: atomic { MAY_NOTARIZE(i, 1, 1) -> nota[AT(i, 1)] = nota[AT(i, 1)]|1; check() }
  :: atomic { MAY_NOTARIZE(i, 1, 2) -> nota[AT(i, 1)] = nota[AT(i, 1)]|2; check() }
  :: atomic { MAY_NOTARIZE(i, 2, 1) -> nota[AT(i, 2)] = nota[AT(i, 2)]|1; check() }
  :: atomic { MAY_NOTARIZE(i, 2, 2) -> nota[AT(i, 2)] = nota[AT(i, 2)]|2; check() }
  :: atomic { MAY_NULLIFY(i, 1) -> null[AT(i, 1)] = 1; check() }
  :: atomic { MAY_NULLIFY(i, 2) -> null[AT(i, 2)] = 1; check() }
  :: atomic { MAY_FINALIZE(i, 1, 1) -> fina[AT(i, 1)] = fina[AT(i, 1)]|1; check() }
  :: atomic { MAY_FINALIZE(i, 1, 2) -> fina[AT(i, 1)] = fina[AT(i, 1)]|2; check() }
  :: atomic { MAY_FINALIZE(i, 2, 1) -> fina[AT(i, 2)] = fina[AT(i, 2)]|1; check() }
  :: atomic { MAY_FINALIZE(i, 2, 2) -> fina[AT(i, 2)] = fina[AT(i, 2)]|2; check() }
  od
}

init {
  atomic {
    if
    :: par[1] = 0; par[2] = 0
    :: par[1] = 0; par[2] = 1
    :: par[1] = 0; par[2] = 2
    :: par[1] = 1; par[2] = 1
    :: par[1] = 1; par[2] = 2
    :: par[1] = 2; par[2] = 2
    fi;
    run honest( 0 ); run honest( 1 ); run honest( 2 )
  }
}

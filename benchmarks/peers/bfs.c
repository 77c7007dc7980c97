// Plain C breadth-first search over the packed model: the physical limit.
// From the comparison of model checkers that preceded this project (its own work); the same model as tests/specs/peers.luo.
// gcc -O3 -march=native -DN=5 -DM=2 [-DBUG=1] bfs.c -o bfs ; ./bfs [log2 table]
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef N
#define N 4
#endif
#ifndef M
#define M 2
#endif
#ifndef BUG
#define BUG 0
#endif
typedef uint64_t u64;
enum {NORMAL,PREPARED,FROZENG,UPDATED};
enum {NONE,PREP,FREEZE,CANCEL,FINISH};
enum {CLOSED,OPEN,DYING};
enum {UNREG,REG,SPREP,SFROZEN,PRESERVED,RESTORED};
// file f: bits 7f..7f+6 : st(3) own(2) mem(1) snap(1); agents 2 bits each; g 2; op 3
#define FB(f) (7*(f))
#define AB(m) (7*N+2*(m))
#define GB (7*N+2*M)
#define OB (GB+2)
#define ST(s,f) ((int)(((s)>>FB(f))&7))
#define OWN(s,f) ((int)(((s)>>(FB(f)+3))&3))
#define MEM(s,f) ((int)(((s)>>(FB(f)+5))&1))
#define SNAP(s,f) ((int)(((s)>>(FB(f)+6))&1))
#define AG(s,m) ((int)(((s)>>AB(m))&3))
#define G(s) ((int)(((s)>>GB)&3))
#define OP(s) ((int)(((s)>>OB)&7))
#define SET(s,b,w,v) (((s)&~((u64)((1<<(w))-1)<<(b)))|((u64)(v)<<(b)))
#define SST(s,f,v) SET(s,FB(f),3,v)
#define SOWN(s,f,v) SET(s,FB(f)+3,2,v)
#define SMEM(s,f,v) SET(s,FB(f)+5,1,v)
#define SSNAP(s,f,v) SET(s,FB(f)+6,1,v)
#define SAG(s,m,v) SET(s,AB(m),2,v)
#define SG(s,v) SET(s,GB,2,v)
#define SOP(s,v) SET(s,OB,3,v)
// deps(f)=bitmask ; star DAG
static inline unsigned deps(int f){return f==0?0u: f<N-1?1u: (((1u<<(N-1))-1)&~1u);}
static inline unsigned rdeps(int f){unsigned r=0;for(int i=0;i<N;i++)if(deps(i)>>f&1)r|=1u<<i;return r;}
#define LIVE(s,f) (ST(s,f)==SPREP||ST(s,f)==SFROZEN||MEM(s,f))
static inline int all_deps(u64 s,int f,int v){for(int d=0;d<N;d++)if((deps(f)>>d&1)&&ST(s,d)!=v)return 0;return 1;}
static inline int no_dep(u64 s,int f,int v){for(int d=0;d<N;d++)if((deps(f)>>d&1)&&ST(s,d)==v)return 0;return 1;}
static inline int any_open(u64 s){for(int m=0;m<M;m++)if(AG(s,m)==OPEN)return 1;return 0;}
static inline int any_st(u64 s,int v){for(int f=0;f<N;f++)if(ST(s,f)==v)return 1;return 0;}
static inline int any_live(u64 s){for(int f=0;f<N;f++)if(LIVE(s,f))return 1;return 0;}
// returns number of successors
static inline int succ(u64 s,u64*o){
  int n=0,op=OP(s),g=G(s);
  for(int m=0;m<M;m++){
    if(AG(s,m)==CLOSED)o[n++]=SAG(s,m,OPEN);
    if(AG(s,m)==OPEN)o[n++]=SAG(s,m,DYING);
    if(op==NONE&&AG(s,m)==DYING){int owns=0;
      for(int f=0;f<N;f++)if(OWN(s,f)==m+1){owns=1;u64 t=SOWN(s,f,0);if(ST(s,f)==REG)t=SST(t,f,UNREG);o[n++]=t;}
      if(!owns)o[n++]=SAG(s,m,CLOSED);}
    if(op==NONE&&AG(s,m)==OPEN){
      if(g==NORMAL)for(int f=0;f<N;f++){
        if(ST(s,f)==UNREG)o[n++]=SOWN(SST(s,f,REG),f,m+1);
        if(ST(s,f)==REG&&OWN(s,f)==m+1)o[n++]=SOWN(SST(s,f,UNREG),f,0);}
      if(g==UPDATED)for(int f=0;f<N;f++)if(ST(s,f)==PRESERVED&&all_deps(s,f,RESTORED))o[n++]=SOWN(SST(s,f,RESTORED),f,m+1);
    }
  }
  switch(op){
  case NONE:
    if(any_open(s)){
      if(g==NORMAL){u64 t=SOP(s,PREP);for(int f=0;f<N;f++)t=SSNAP(t,f,ST(s,f)==REG);o[n++]=t;}
      if(g==PREPARED)o[n++]=SOP(s,FREEZE);
      if(g==PREPARED||g==FROZENG)o[n++]=SOP(s,CANCEL);
      if(g==UPDATED)o[n++]=SOP(s,FINISH);}
    if(g==FROZENG){u64 t=SG(s,UPDATED);for(int m=0;m<M;m++)t=SAG(t,m,CLOSED);
      for(int f=0;f<N;f++){t=SOWN(t,f,0);if(ST(s,f)==SFROZEN)t=SST(t,f,PRESERVED);}o[n++]=t;}
    break;
  case PREP:
    for(int f=0;f<N;f++)if(ST(s,f)==REG){
      if(!MEM(s,f)&&all_deps(s,f,SPREP))o[n++]=SMEM(s,f,1);
      if(MEM(s,f))o[n++]=SST(s,f,SPREP);
      if(no_dep(s,f,REG))o[n++]=SOP(SMEM(s,f,0),CANCEL);}
    if(!any_st(s,REG))o[n++]=SOP(SG(s,PREPARED),NONE);
    break;
  case FREEZE:
    for(int f=0;f<N;f++)if(ST(s,f)==SPREP&&(BUG==3||all_deps(s,f,SFROZEN))){o[n++]=SST(s,f,SFROZEN);o[n++]=SOP(s,CANCEL);}
    if(!any_st(s,SPREP))o[n++]=SOP(SG(s,FROZENG),NONE);
    break;
  case CANCEL:{
    for(int f=0;f<N;f++)if(LIVE(s,f)){int ok=1;
      for(int d=0;d<N;d++)if((rdeps(f)>>d&1)&&LIVE(s,d))ok=0;
      if(ok)o[n++]=SMEM(SST(s,f,(OWN(s,f)||BUG==2)?REG:UNREG),f,0);}
    if(!any_live(s)){u64 t=SOP(SG(s,NORMAL),NONE);for(int f=0;f<N;f++)t=SSNAP(t,f,0);o[n++]=t;}
    break;}
  case FINISH:{
    int all=1;
    for(int f=0;f<N;f++){if(ST(s,f)!=UNREG)all=0;
      if(ST(s,f)==PRESERVED||ST(s,f)==RESTORED){int ok=1;
        for(int d=0;d<N;d++)if((rdeps(f)>>d&1)&&ST(s,d)!=UNREG)ok=0;
        if(ok)o[n++]=SSNAP(SOWN(SST((BUG==1&&ST(s,f)==PRESERVED)?s:SMEM(s,f,0),f,UNREG),f,0),f,0);}}
    if(all)o[n++]=SOP(SG(s,NORMAL),NONE);
    break;}
  }
  return n;
}
static inline int inv(u64 s){ // 0 ok, else which
  int g=G(s),op=OP(s);
  for(int f=0;f<N;f++){int st=ST(s,f),w=OWN(s,f),me=MEM(s,f);
    if(g==NORMAL&&op==NONE&&(me||SNAP(s,f)||st>REG))return 1;
    if(st==SFROZEN&&!all_deps(s,f,SFROZEN))return 3;
    if(st==SPREP)for(int d=0;d<N;d++)if((deps(f)>>d&1)&&ST(s,d)!=SPREP&&ST(s,d)!=SFROZEN)return 3;
    if(st==RESTORED&&!all_deps(s,f,RESTORED))return 3;
    if(w&&AG(s,w-1)==CLOSED)return 4;
    if(st>=SPREP&&!me)return 5;
    if(me&&st<SPREP&&!(st==REG&&(op==PREP||op==CANCEL)))return 5;}
  if(op==CANCEL&&!any_live(s))for(int f=0;f<N;f++){int st=ST(s,f),w=OWN(s,f);
    if(st>REG||(w==0&&st!=UNREG)||(w!=0&&SNAP(s,f)!=(st==REG)))return 2;}
  return 0;
}
static u64 *tab,mask;
static inline u64 hash(u64 x){x^=x>>32;x*=0xd6e8feb86659fd93ULL;x^=x>>32;x*=0xd6e8feb86659fd93ULL;x^=x>>32;return x;}
static inline int add(u64 s){u64 k=s+1,i=hash(s)&mask;for(;;){u64 v=tab[i];if(v==k)return 0;if(!v){tab[i]=k;return 1;}i=(i+1)&mask;}}
static double now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
int main(int c,char**v){
  int lg=c>1?atoi(v[1]):22;mask=(1ull<<lg)-1;double t0=now();
  tab=calloc(mask+1,8);size_t cap=1<<16,head=0,tail=0;u64*q=malloc(cap*8);
#ifdef TRACE
  uint32_t*par=malloc(cap*4);
#endif
  u64 out[512],trans=0;u64 s0=0;add(s0);q[tail++]=s0;int depth=0;size_t levelend=1;
#ifdef TRACE
  par[0]=0;
#endif
  while(head<tail){
    if(head==levelend){depth++;levelend=tail;}
    u64 s=q[head++];int n=succ(s,out);trans+=n;
    for(int i=0;i<n;i++){u64 t=out[i];if(add(t)){
      if(tail==cap){cap*=2;q=realloc(q,cap*8);
#ifdef TRACE
        par=realloc(par,cap*4);
#endif
      }
#ifdef TRACE
      par[tail]=head-1;
#endif
      q[tail++]=t;
      int e=inv(t);if(e){printf("VIOLATION I%d at depth %d states %zu time %.4f\n",e,depth+1,tail,now()-t0);
#ifdef TRACE
        size_t x=tail-1;int k=0;while(x){k++;x=par[x];}printf("trace steps %d\n",k);
#endif
        return 1;}
      if(tail*10>(mask+1)*7){ // grow
        u64*old=tab,om=mask;mask=mask*2+1;tab=calloc(mask+1,8);
        for(u64 j=0;j<=om;j++)if(old[j]){u64 k=old[j],p=hash(k-1)&mask;while(tab[p])p=(p+1)&mask;tab[p]=k;}
        free(old);}
    }}
  }
  double dt=now()-t0;
  printf("N=%d M=%d states %zu transitions %llu depth %d time %.4f rate %.0f table %.1f B/state\n",N,M,tail,(unsigned long long)trans,depth,dt,tail/dt,(mask+1)*8.0/tail+8.0);
}

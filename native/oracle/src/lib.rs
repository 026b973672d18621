//! wasmi for tests; the manual is dmg_wasmi.h.

mod ffi;

use wasmi::{
    Caller, Config, Engine, Error, Extern, ExternType, Global, Instance, Linker, Memory, Module, Store, TrapCode, Val,
};

/// What an import is called with; the layout is the header's.
#[repr(C)]
pub struct Call {
    mem: *mut u8,
    mem_sz: usize,
    args: *const u64,
    arg_cnt: usize,
    import: u32,
    s: i32,
    g: i64,
    ret: u32,
}

#[repr(C)]
pub struct Outcome {
    end: u32,
    host_code: u32,
    ret: i64,
    g: i64,
    s: i32,
}

const RETURNED: u32 = 0;
const TRAPPED: u32 = 1;
const STOPPED: u32 = 2;
const BROKEN: u32 = 3;

/// Stops a run from the host.
#[derive(Debug)]
struct Stop(i32);
impl core::fmt::Display for Stop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "host stop {}", self.0)
    }
}
impl wasmi::errors::HostError for Stop {}

/// Behind the C callback: a function of the store's data that is called for each import.
type Host = fn(&Data, &mut Call) -> i32;

pub struct Data {
    host: Host,
    callback: ffi::HostFn,
    ctx: usize,
}

pub struct Oracle {
    store: Store<Data>,
    instance: Instance,
    imports: Vec<String>,
}

fn global<T>(caller: &Caller<'_, T>, name: &str) -> Option<Global> {
    caller.get_export(name).and_then(Extern::into_global)
}

fn val_bits(v: &Val) -> u64 {
    match v {
        Val::I32(n) => u64::from(n.cast_unsigned()),
        Val::I64(n) => n.cast_unsigned(),
        _ => 0,
    }
}

fn import(mut caller: Caller<'_, Data>, number: u32, params: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let missing = || Error::new("the module does not export what the instrumenter adds");
    let mem = caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(missing)?;
    let g = global(&caller, "g").ok_or_else(missing)?;
    let s = global(&caller, "s").ok_or_else(missing)?;
    let args: Vec<u64> = params.iter().map(val_bits).collect();
    let mut call = Call {
        mem: mem.data_ptr(&caller),
        mem_sz: mem.data_size(&caller),
        args: args.as_ptr(),
        arg_cnt: args.len(),
        import: number,
        s: g_or_s(&s.get(&caller)) as i32,
        g: g_or_s(&g.get(&caller)),
        ret: 0,
    };
    let host = caller.data().host;
    let rc = host(caller.data(), &mut call);
    g.set(&mut caller, Val::I64(call.g))
        .map_err(|e| Error::new(e.to_string()))?;
    if rc != 0 {
        return Err(Error::host(Stop(rc)));
    }
    if let Some(r) = results.first_mut() {
        *r = Val::I32(call.ret.cast_signed());
    }
    Ok(())
}

fn g_or_s(v: &Val) -> i64 {
    match v {
        Val::I32(n) => i64::from(*n),
        Val::I64(n) => *n,
        _ => 0,
    }
}

impl Oracle {
    fn new(wasm: &[u8], host: Host, callback: ffi::HostFn) -> Result<Oracle, Error> {
        let mut config = Config::default();
        // The module's own count of slots ends recursion; these only have to be above it.
        config
            .set_max_recursion_depth(1 << 20)
            .set_max_stack_height(256 << 20)
            .floats(false);
        config
            .wasm_multi_value(false)
            .wasm_reference_types(false)
            .wasm_tail_call(false)
            .wasm_extended_const(false);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, wasm)?;
        let mut store = Store::new(&engine, Data { host, callback, ctx: 0 });
        let mut linker = Linker::new(&engine);
        let mut imports: Vec<String> = Vec::new();
        for i in module.imports() {
            let name = i.name().to_string();
            if let (ExternType::Func(ty), false) = (i.ty(), imports.contains(&name)) {
                let number = imports.len() as u32;
                linker
                    .func_new(
                        i.module(),
                        &name,
                        ty.clone(),
                        move |caller, params: &[Val], results: &mut [Val]| import(caller, number, params, results),
                    )
                    .map_err(|e| Error::new(e.to_string()))?;
            }
            imports.push(name);
        }
        let instance = linker.instantiate_and_start(&mut store, &module)?;
        Ok(Oracle {
            store,
            instance,
            imports,
        })
    }

    fn memory(&self) -> Option<Memory> {
        self.instance.get_memory(&self.store, "memory")
    }

    fn number(&self, name: &str) -> i64 {
        self.instance
            .get_global(&self.store, name)
            .map_or(0, |g| g_or_s(&g.get(&self.store)))
    }

    fn run(&mut self, ctx: usize, params: [Val; 5]) -> Outcome {
        self.store.data_mut().ctx = ctx;
        let mut ret = [Val::I64(0)];
        let mut out = Outcome {
            end: BROKEN,
            host_code: 0,
            ret: 0,
            g: 0,
            s: 0,
        };
        if let Some(f) = self.instance.get_func(&self.store, "dm:run") {
            match f.call(&mut self.store, &params, &mut ret) {
                Ok(()) => {
                    out.end = RETURNED;
                    out.ret = ret.first().map_or(0, g_or_s);
                }
                Err(e) => match (e.downcast_ref::<Stop>(), e.as_trap_code()) {
                    (Some(stop), _) => {
                        out.end = STOPPED;
                        out.host_code = stop.0.cast_unsigned();
                    }
                    (None, Some(TrapCode::StackOverflow | TrapCode::OutOfFuel) | None) => {}
                    (None, Some(_)) => out.end = TRAPPED,
                },
            }
        }
        out.g = self.number("g");
        out.s = self.number("s") as i32;
        out
    }
}

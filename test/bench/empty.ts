// An executable that does nothing but print, built like keyhole: what any Bun program costs.
console.log("{}");
